/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Connects to port 80 of a name, but only at public addresses: what users name must not lead a program into its own
 * network. It connects to what it has checked, even if the name means something else a moment later.
 */
#include <arpa/inet.h>
#include <eventmachine.h>
#include <string.h>

/* Not public: see IANA's registries of special-purpose addresses (RFC 6890), and RFC 3056. */
static const struct {
    const char *network;
    unsigned bits;
} special[] = {
    {"0.0.0.0", 8},     {"10.0.0.0", 8},   {"100.64.0.0", 10}, {"127.0.0.0", 8},     {"169.254.0.0", 16},
    {"172.16.0.0", 12}, {"192.0.0.0", 24}, {"192.0.2.0", 24},  {"192.168.0.0", 16},  {"2001::", 23},
    {"2001:db8::", 32}, {"2002::", 16},    {"198.18.0.0", 15}, {"198.51.100.0", 24}, {"203.0.113.0", 24},
    {"224.0.0.0", 3},   {"3fff::", 20},
};

/* Of IPv6, only 2000::/3 is public. That excludes IPv4 in the form ::ffff:10.0.0.1, too. */
static int is_public(const em_address *address)
{
    int is_ipv6 = em_address_get_family(address) == EM_ADDRESS_IPV6;
    const unsigned char *bytes = address->storage.bytes + (is_ipv6 ? offsetof(struct sockaddr_in6, sin6_addr)
                                                                   : offsetof(struct sockaddr_in, sin_addr));
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
        unsigned char network[16];
        unsigned whole = special[i].bits / 8, mask = 0xff00u >> special[i].bits % 8 & 0xff;
        if (inet_pton(is_ipv6 ? AF_INET6 : AF_INET, special[i].network, network) == 1 &&
            memcmp(bytes, network, whole) == 0 && (bytes[whole] & mask) == (network[whole] & mask))
            return 0;
    }
    return !is_ipv6 || bytes[0] >> 5 == 1;
}

static void connection_completed(em_connection *connection)
{
    em_connection_close(connection);
}

static void unbind(em_connection *connection, em_status reason)
{
    *(em_status *)em_connection_get_user(connection) = reason;
    em_loop_stop(em_connection_get_loop(connection));
}

static const em_handler client = {.connection_completed = connection_completed, .unbind = unbind};

static void resolved(em_loop *loop, em_lookup lookup, em_status status, const em_address *all, size_t count, void *user)
{
    em_connect_options options = {.size = sizeof options, .user = user, .connect_timeout_ns = 5 * EM_SECONDS};
    em_address accepted[32];
    size_t accepted_count = 0;
    (void)lookup;
    for (size_t i = 0; i < count && accepted_count < 32; i++)
        if (is_public(&all[i]))
            accepted[accepted_count++] = all[i];
    if (status == EM_OK && accepted_count == 0)
        status = EM_PERMISSION_DENIED;
    if (status == EM_OK)
        status = em_loop_connect_addresses(loop, accepted, accepted_count, &client, &options, NULL);
    *(em_status *)user = status;
    if (status != EM_OK)
        em_loop_stop(loop);
}

int main(int count, char **arguments)
{
    em_status outcome = EM_OK;
    em_lookup_options options = {.size = sizeof options, .port = 80, .timeout_ns = 5 * EM_SECONDS};
    em_loop *loop;
    em_status status = em_loop_create(NULL, &loop);
    if (status == EM_OK)
        status = em_loop_resolve(loop, arguments[count - 1], &options, resolved, &outcome, NULL, NULL);
    if (status == EM_OK)
        status = em_loop_run(loop);
    em_loop_destroy(loop);
    return em_status_report(status == EM_OK ? outcome : status);
}
