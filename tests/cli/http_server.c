/* http_server.c - a web server for the tests of downloads, on a free port of 127.0.0.1.
 *
 *     http_server FOLDER LOG SECONDS
 *
 * prints its port, serves the files of FOLDER and ends after SECONDS. The first part of an address says how it behaves:
 * /good/a/b serves FOLDER/a/b; /norange/... ignores Range; /truncate/... breaks off in the middle of what is left;
 * /corrupt/... changes a byte; /page/... answers with a web page; /busy/... answers 503; /stall/... never answers. LOG gets
 * a line a request: the address and the first byte asked for. */
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void answer(int client, const char *status, const char *more, const char *body, size_t declared, size_t sent) {
  char head[512];
  int length = snprintf(head, sizeof head, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n", status,
                        more, declared);
  if (write(client, head, (size_t)length) < 0) return;
  for (size_t at = 0; at < sent;) {
    ssize_t written = write(client, body + at, sent - at);
    if (written <= 0) return;
    at += (size_t)written;
  }
}

static void answer_text(int client, const char *status, const char *text) {
  answer(client, status, "Content-Type: text/html\r\n", text, strlen(text), strlen(text));
}

static char *read_whole(const char *path, size_t *length) {
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  fseek(file, 0, SEEK_END);
  *length = (size_t)ftell(file);
  rewind(file);
  char *bytes = malloc(*length + 1);
  if (fread(bytes, 1, *length, file) != *length) *length = 0;
  fclose(file);
  return bytes;
}

static void serve_file(int client, const char *mode, char *bytes, size_t length, size_t first, bool ranged) {
  char more[128] = "";
  const char *status = "200 OK";
  if (!strcmp(mode, "norange")) ranged = false;
  else strcpy(more, "Accept-Ranges: bytes\r\n");
  if (!ranged) first = 0;
  if (ranged && first >= length) {
    answer_text(client, "416 Range Not Satisfiable", "");
    return;
  }
  if (ranged) {
    status = "206 Partial Content";
    snprintf(more, sizeof more, "Content-Range: bytes %zu-%zu/%zu\r\n", first, length - 1, length);
  }
  if (!strcmp(mode, "corrupt")) bytes[length / 2] ^= 1;
  size_t left = length - first;
  answer(client, status, more, bytes + first, left, strcmp(mode, "truncate") ? left : left / 2);
}

/* True when the connection is done with. */
static bool serve(int client, const char *folder, FILE *log) {
  char request[8192], mode[32], name[1024], path[2048];
  size_t have = 0, length;
  while (have < sizeof request - 1) {
    ssize_t got = read(client, request + have, sizeof request - 1 - have);
    if (got <= 0) return true;
    have += (size_t)got;
    request[have] = '\0';
    if (strstr(request, "\r\n\r\n")) break;
  }
  if (sscanf(request, "GET /%31[^/]/%1023[^ ]", mode, name) != 2)
    return answer_text(client, "400 Bad Request", ""), true;
  const char *range = strstr(request, "Range: bytes=");
  size_t first = range ? strtoul(range + 13, NULL, 10) : 0;
  fprintf(log, "%s/%s %zu\n", mode, name, first);
  fflush(log);
  if (!strcmp(mode, "stall")) return false;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  char *bytes = strstr(name, "..") ? NULL : read_whole(path, &length);
  if (!strcmp(mode, "busy")) answer_text(client, "503 Service Unavailable", "later");
  else if (!strcmp(mode, "page")) answer_text(client, "200 OK", "<!DOCTYPE html><title>Sign in to the network</title>");
  else if (!bytes) answer_text(client, "404 Not Found", "not here");
  else serve_file(client, mode, bytes, length, first, range != NULL);
  free(bytes);
  return true;
}

int main(int count, char **words) {
  if (count != 4) return fprintf(stderr, "usage: http_server FOLDER LOG SECONDS\n"), 2;
  FILE *log = fopen(words[2], "a");
  int server = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  if (!log || bind(server, (struct sockaddr *)&address, length) || listen(server, 16)) return perror("http_server"), 1;
  getsockname(server, (struct sockaddr *)&address, &length);
  printf("%d\n", ntohs(address.sin_port));
  fclose(stdout);
  signal(SIGPIPE, SIG_IGN);
  alarm((unsigned)atoi(words[3]));
  for (;;) {
    int client = accept(server, NULL, NULL);
    if (client < 0) continue;
    if (!serve(client, words[1], log)) continue;
    shutdown(client, SHUT_WR);
    close(client);
  }
}
