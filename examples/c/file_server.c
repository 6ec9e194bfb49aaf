/* SPDX-License-Identifier: Ruby OR BSD-2-Clause */
/*
 * An HTTP server for the files of a directory, with ranges: file_server DIRECTORY [PORT]. It answers one request per
 * connection, which must arrive in one piece. Try: curl -r 100-199 http://127.0.0.1:8084/name
 */
#include <eventmachine.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *directory = ".";

/* "bytes=10-19" are ten bytes, "bytes=10-" is everything from there on. Returns the status line. */
static const char *find_range(const char *request, uint64_t size, uint64_t *first, uint64_t *length)
{
    const char *range = strstr(request, "\r\nRange: bytes=");
    uint64_t last = UINT64_MAX - 1;
    *first = 0;
    if (range && (sscanf(range + 15, "%" SCNu64 "-%" SCNu64, first, &last) < 1 || *first >= size || last < *first))
        return "416 Range Not Satisfiable";
    *length = (last < size ? last + 1 : size) - *first;
    return range ? "206 Partial Content" : "200 OK";
}

/* The size is that of the open file, so that the head is right even if the name gets another file meanwhile. */
static void answer(em_connection *connection, const char *request, int file)
{
    em_file_options options = {.size = sizeof options, .close_descriptor = EM_ON};
    struct stat found = {.st_size = 0};
    uint64_t first = 0, length = 0;
    char head[256], range[100] = "";
    const char *status = "404 Not Found";
    if (file >= 0 && fstat(file, &found) == 0 && S_ISREG(found.st_mode))
        status = find_range(request, (uint64_t)found.st_size, &first, &length);
    if (strncmp(status, "206", 3) == 0)
        snprintf(range, sizeof range, "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n", first,
                 first + length - 1, (uint64_t)found.st_size);
    snprintf(head, sizeof head, "HTTP/1.0 %s\r\nContent-Length: %" PRIu64 "\r\n%s\r\n", status, length, range);
    em_connection_send_text(connection, head);
    if (em_connection_send_file_descriptor(connection, file, first, length, &options) != EM_OK && file >= 0)
        close(file);
    em_connection_close_after_writing(connection);
}

static void receive_data(em_connection *connection, const void *data, size_t length)
{
    char request[2048] = "", name[256] = "", path[1024];
    memcpy(request, data, length < sizeof request ? length : sizeof request - 1);
    if (sscanf(request, "GET /%255[^/ \r\n] HTTP/1.", name) != 1 || name[0] == '.')
        name[0] = '\0'; /* the directory, which is no file */
    snprintf(path, sizeof path, "%s/%s", directory, name);
    answer(connection, request, open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK));
}

static const em_handler server = {.receive_data = receive_data};

int main(int argc, char **argv)
{
    em_loop *loop;
    em_status status = em_loop_create(NULL, &loop);
    if (argc > 1)
        directory = argv[1];
    if (status == EM_OK)
        status = em_loop_start_server(loop, "127.0.0.1", argc > 2 ? atoi(argv[2]) : 8084, &server, NULL, NULL);
    if (status == EM_OK)
        status = em_loop_run(loop);
    em_loop_destroy(loop);
    return em_status_report(status);
}
