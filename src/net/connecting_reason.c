/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * Why connecting has failed, in words: the stage, and every address that was tried with what became of it. Addresses
 * with the same outcome are listed together, those with the connection's own reason first:
 *
 *   resolve www.example.org: host name not found
 *   connect to www.example.org (192.0.2.1:80, 192.0.2.2:80): Connection refused; [2001:db8::1]:80: No route to host
 *   connect to www.example.org (192.0.2.1:443): the peer ended TLS with an alert (alert 40: handshake failure); …
 */
#include "net/connecting_reason.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "net/attempts.h"
#include "net/securing.h"
#include "system/system_error.h"

enum { MOST_DETAIL_BYTES = 120 };

void emi_text_add(emi_text *text, const char *format, ...)
{
    va_list arguments;
    size_t room = text->capacity - text->length;
    va_start(arguments, format);
    int length = vsnprintf(text->bytes + text->length, room, format, arguments); /* NOLINT(clang-analyzer-valist.*) */
    va_end(arguments);
    if (length > 0)
        text->length += (size_t)length < room ? (size_t)length : room - 1;
}

const char *emi_status_in_words(em_status status, int system_error)
{
    return system_error != 0 ? emi_system_error_text(system_error) : em_status_get_text(status);
}

static void add_address(emi_text *text, const em_address *address)
{
    char name[EM_ADDRESS_TEXT_BYTES];
    em_address_to_text(address, name, sizeof name);
    emi_text_add(text, "%s", name);
}

/* Nothing was tried: the stage is the lookup of the peer's name, or of the local end's. */
static void describe_lookup(const em_connection *connection, emi_text *text)
{
    const emi_connector *connector = connection->extras->connector;
    em_status reason = (em_status)connection->object.reason;
    if (reason == EM_ADDRESS_NOT_AVAILABLE || reason == EM_ADDRESS_FAMILY)
        emi_text_add(text, "find a local address to reach ");
    else
        emi_text_add(text, connector->host[0] != '\0' ? "resolve " : "connect to ");
    if (connector->host[0] != '\0')
        emi_text_add(text, "%.255s", connector->host);
    else
        add_address(text, &connector->address);
    emi_text_add(text, ": %s", emi_reason_in_words(connection));
}

/* How an attempt has ended. One that is still running ends with the connection, and for the same reason. */
typedef struct outcome {
    em_status status;
    int system_error;
    const char *detail; /* of a handshake; or NULL */
} outcome;

static bool is_timeout(em_status status)
{
    return status == EM_CONNECT_TIMEOUT || status == EM_TLS_HANDSHAKE_TIMEOUT;
}

/* Each that is running when the time is over names its own stage. */
static outcome outcome_of_others(const em_connection *connection, unsigned number)
{
    const emi_attempts *attempts = connection->extras->connector->attempts;
    em_status reason = (em_status)connection->object.reason;
    if (!is_timeout(reason))
        return (outcome){reason, connection->object.system_error, NULL};
    if (!emi_race_is_securing(&attempts->race, number))
        return (outcome){EM_CONNECT_TIMEOUT, 0, NULL};
    return (outcome){EM_TLS_HANDSHAKE_TIMEOUT, 0, emi_securing_progress(attempts->list[number].securing)};
}

static outcome outcome_of(const em_connection *connection, unsigned number)
{
    const emi_attempts *attempts = connection->extras->connector->attempts;
    const emi_race_attempt *attempt = &attempts->race.attempts[number];
    if (attempt->state != EMI_ATTEMPT_FAILED)
        return outcome_of_others(connection, number);
    return (outcome){(em_status)attempt->status, attempt->system_error, attempts->list[number].detail};
}

static bool have_same_status(outcome one, outcome other)
{
    return one.status == other.status && one.system_error == other.system_error;
}

static bool are_equal(outcome one, outcome other)
{
    return have_same_status(one, other) &&
           (one.detail && other.detail ? strcmp(one.detail, other.detail) == 0 : one.detail == other.detail);
}

/* The connection's reason is that of an attempt, whose detail it gets here. */
static outcome reason_of(const em_connection *connection)
{
    outcome reason = {(em_status)connection->object.reason, connection->object.system_error, NULL};
    for (unsigned i = 0; i < connection->extras->connector->attempts->race.attempt_count; i++)
        if (have_same_status(outcome_of(connection, i), reason))
            return outcome_of(connection, i);
    return reason;
}

/* Details are shortened, so that all addresses have room in the text. */
static void add_outcome(outcome each, const char *words, emi_text *text)
{
    emi_text_add(text, ": %s", words);
    if (each.detail && strcmp(each.detail, words) != 0)
        emi_text_add(text, " (%.*s)", MOST_DETAIL_BYTES, each.detail);
}

/* Adds the addresses with this outcome, and returns how many there are. */
static unsigned add_addresses(const em_connection *connection, outcome wanted, const char *before, emi_text *text)
{
    const emi_race *race = &connection->extras->connector->attempts->race;
    unsigned count = 0;
    for (unsigned i = 0; i < race->attempt_count; i++) {
        if (!are_equal(outcome_of(connection, i), wanted))
            continue;
        emi_text_add(text, "%s", count++ > 0 ? ", " : before);
        add_address(text, emi_race_address(race, i));
    }
    return count;
}

static bool is_first_with_outcome(const em_connection *connection, unsigned attempt)
{
    outcome own = outcome_of(connection, attempt);
    for (unsigned i = 0; i < attempt; i++)
        if (are_equal(outcome_of(connection, i), own))
            return false;
    return true;
}

static void describe_other_outcomes(const em_connection *connection, emi_text *text)
{
    const emi_race *race = &connection->extras->connector->attempts->race;
    for (unsigned i = 0; i < race->attempt_count; i++) {
        outcome each = outcome_of(connection, i);
        if (are_equal(each, reason_of(connection)) || !is_first_with_outcome(connection, i))
            continue;
        add_addresses(connection, each, "; ", text);
        add_outcome(each, emi_status_in_words(each.status, each.system_error), text);
    }
}

/* It is no failure that a name has addresses of one family only. */
static void describe_families(const emi_race *race, emi_text *text)
{
    static const char *const names[] = {[EMI_RACE_IPV6] = "IPv6", [EMI_RACE_IPV4] = "IPv4"};
    for (unsigned family = 0; family < EMI_RACE_FAMILIES; family++) {
        const emi_race_list *list = &race->lists[family];
        if (list->is_excluded || (list->is_known && !emi_is_lookup_failure(list->status)))
            continue;
        emi_text_add(text, "; %s addresses: %s", names[family],
                     list->is_known ? em_status_get_text(list->status) : "not resolved yet");
    }
}

static void describe_shortage(const emi_race *race, emi_text *text)
{
    if (race->shortage != EM_OK && emi_race_has_candidate(race))
        emi_text_add(text, "; further addresses: %s",
                     emi_status_in_words(race->shortage, em_status_get_system_error(race->shortage)));
}

static void describe_attempts(const em_connection *connection, emi_text *text)
{
    const emi_connector *connector = connection->extras->connector;
    bool has_name = connector->host[0] != '\0';
    emi_text_add(text, "connect to ");
    if (has_name)
        emi_text_add(text, "%.255s", connector->host);
    outcome reason = reason_of(connection);
    unsigned count = add_addresses(connection, reason, has_name ? " (" : "", text);
    emi_text_add(text, "%s", has_name && count > 0 ? ")" : "");
    add_outcome(reason, emi_reason_in_words(connection), text);
    describe_other_outcomes(connection, text);
    describe_shortage(&connector->attempts->race, text);
    describe_families(&connector->attempts->race, text);
}

void emi_describe_connecting(const em_connection *connection, emi_text *text)
{
    const emi_connector *connector = connection->extras->connector;
    if (connector->attempts && connector->attempts->race.attempt_count > 0) {
        describe_attempts(connection, text);
    } else if (connector->was_tried) {
        emi_text_add(text, "connect to ");
        add_address(text, &connector->address);
        emi_text_add(text, ": %s", emi_reason_in_words(connection));
    } else {
        describe_lookup(connection, text);
    }
}
