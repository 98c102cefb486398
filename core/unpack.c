/* unpack.c - plain and gzip files through one door. zlib's gzread ignores whatever follows the packed data; gzip(1) takes further
 * members and padding with zeros, and complains about the rest. So do we, since junk there is a download gone wrong. */
#include "unpack.h"

/* Moves what is left of the input to the front of the buffer and fills the rest from the file. */
static eg_status fill(eg_unpacker *u) {
  size_t left = u->stream.avail_in, more = EG_MIN(sizeof u->in - left, (size_t)(u->reader.size - u->taken));
  memmove(u->in, u->stream.next_in, left);
  u->stream.next_in = u->in;
  EG_TRY(eg_reader_bytes(&u->reader, u->taken, u->in + left, more));
  u->taken += (int64_t)more;
  u->stream.avail_in = (unsigned)(left + more);
  return EG_OK;
}

static bool begins_member(const eg_unpacker *u) {
  return u->stream.avail_in > 1 && u->stream.next_in[0] == 0x1f && u->stream.next_in[1] == 0x8b;
}

eg_status eg_unpacker_open(eg_unpacker *u, const char *path) {
  u->stream = (z_stream){.next_in = u->in};
  u->taken = u->made = 0;
  u->packed = u->ended = false;
  EG_TRY(eg_reader_open(&u->reader, path));
  eg_status status = fill(u);
  u->packed = !status && begins_member(u);
  if (u->packed && inflateInit2(&u->stream, 16 + MAX_WBITS) != Z_OK) {
    u->packed = false;
    status = eg_fail(EG_ENOMEM, "%s: out of memory", path);
  }
  if (status) eg_unpacker_close(u);
  return status;
}

void eg_unpacker_close(eg_unpacker *u) {
  if (u->packed) inflateEnd(&u->stream);
  eg_reader_close(&u->reader);
}

static eg_status fail(eg_unpacker *u, const char *reason) {
  return eg_fail(EG_EFORMAT, "%s: cannot be unpacked after %s bytes: %s; fetch it again", u->reader.path,
                 eg_commas(u->made), reason);
}

/* After a member: another one, zeros to the end, or the end. */
static eg_status next_member(eg_unpacker *u) {
  EG_TRY(fill(u));
  if (begins_member(u)) return inflateReset(&u->stream) == Z_OK ? EG_OK : fail(u, "zlib cannot go on");
  while (u->stream.avail_in > 0) {
    size_t zeros = 0, length = u->stream.avail_in;
    while (zeros < length && u->stream.next_in[zeros] == 0) zeros++;
    if (zeros < length)
      return eg_fail(EG_EFORMAT, "%s: junk after its gzip data, at offset %s of %s bytes; fetch it again",
                     u->reader.path, eg_commas(u->taken - (int64_t)(length - zeros)), eg_commas(u->reader.size));
    u->stream.avail_in = 0;
    EG_TRY(fill(u));
  }
  u->ended = true;
  return EG_OK;
}

static eg_status unpack(eg_unpacker *u, void *out, size_t length, size_t *got) {
  unsigned room = (unsigned)EG_MIN(length, (size_t)1 << 20);
  u->stream.next_out = out;
  u->stream.avail_out = room;
  int outcome = inflate(&u->stream, Z_NO_FLUSH);
  *got = room - u->stream.avail_out;
  u->made += (int64_t)*got;
  if (outcome == Z_STREAM_END) return next_member(u);
  if (outcome == Z_BUF_ERROR) return fail(u, "the file is truncated");
  if (outcome == Z_MEM_ERROR) return eg_fail(EG_ENOMEM, "%s: out of memory", u->reader.path);
  if (outcome != Z_OK) return fail(u, u->stream.msg ? u->stream.msg : "the data are damaged");
  return EG_OK;
}

static eg_status copy(eg_unpacker *u, void *out, size_t length, size_t *got) {
  *got = EG_MIN(length, (size_t)u->stream.avail_in);
  memcpy(out, u->stream.next_in, *got);
  u->stream.next_in += *got;
  u->stream.avail_in -= (unsigned)*got;
  u->made += (int64_t)*got;
  u->ended = *got == 0;
  return EG_OK;
}

eg_status eg_unpacker_read(eg_unpacker *u, void *out, size_t length, size_t *got) {
  for (*got = 0; *got < length && !u->ended;) {
    size_t some = 0;
    if (eg_interrupt_pending()) return eg_fail(EG_EINTR, "interrupted");
    if (u->stream.avail_in == 0) EG_TRY(fill(u));
    EG_TRY((u->packed ? unpack : copy)(u, (char *)out + *got, length - *got, &some));
    *got += some;
  }
  return EG_OK;
}
