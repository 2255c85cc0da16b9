/*
 * The plan file: a schedule as the runtime executes it.
 *
 * Weft writes plans and the runtime reads them; both include this header. All numbers are
 * little-endian and all records lie in the file as in memory, in this order:
 *
 *   header | buffers | kernels | runs | operations
 *
 * There is a run for every call body, rank and lane, in this order with the lane fastest: which
 * operations that lane does in that call; runs follow each other without gaps. Call c of a series does body c if there is one, else the
 * body that the last `period` bodies repeat: see weft_plan_body(). The enumerators have the raw
 * values of Weft's enumerations, so a value may be appended but never changed without a new version.
 */
#ifndef WEFT_PLAN_H
#define WEFT_PLAN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The first eight bytes of a plan file: "WEFTPLAN". */
#define WEFT_PLAN_MAGIC 0x4e414c5054464557ULL

/* The version of the format; a reader refuses any other. */
#define WEFT_PLAN_VERSION 1u

/* The most of everything that a reader accepts. */
#define WEFT_PLAN_MAX_RANKS 65536u
#define WEFT_PLAN_MAX_LANES 4096u
#define WEFT_PLAN_MAX_BUFFERS 256u
#define WEFT_PLAN_MAX_KERNELS 256u
#define WEFT_PLAN_MAX_BODIES 64u
#define WEFT_PLAN_MAX_SLOTS 1024u
#define WEFT_PLAN_MAX_ELEMENTS (1LL << 40)

/* What a lane does next. */
enum weft_plan_kind {
  /* Receives, reduces, stores and sends, as the action bits say. */
  WEFT_PLAN_TRANSFER = 0,
  /* Writes `source` to `destination` in a buffer of the peer `to`, with a flag. */
  WEFT_PLAN_PUT = 1,
  /* Raises a flag at the peer `to`. */
  WEFT_PLAN_SIGNAL = 2,
  /* Waits for the next put or signal from the port `from`. */
  WEFT_PLAN_WAIT = 3,
  /* Waits for all lanes of the rank. */
  WEFT_PLAN_BARRIER = 4,
  /* Waits for all lanes of the rank, then launches kernel number `count`. */
  WEFT_PLAN_KERNEL = 5
};

/* The parts of a transfer, in the order they happen. */
enum weft_plan_action {
  /* Takes the next message of the port `from`. */
  WEFT_PLAN_RECEIVE = 1,
  /* Adds the elements at `source` to it; without RECEIVE, to those at `addend`. */
  WEFT_PLAN_REDUCE = 2,
  /* Writes the result to `destination`. */
  WEFT_PLAN_STORE = 4,
  /* Sends the result through the port `to`; without RECEIVE, sends `source`. */
  WEFT_PLAN_SEND = 8
};

/* What the plan computes; sizes are as nccl-tests counts them. */
enum weft_plan_collective {
  WEFT_PLAN_ALL_REDUCE = 0,
  WEFT_PLAN_ALL_GATHER = 1,
  WEFT_PLAN_REDUCE_SCATTER = 2,
  WEFT_PLAN_BROADCAST = 3,
  WEFT_PLAN_REDUCE_TO_ROOT = 4,
  WEFT_PLAN_ALL_TO_ALL = 5
};

/* The type of the elements; sums are rounded to it after every addition in fp32. */
enum weft_plan_type {
  WEFT_PLAN_FP32 = 0,
  WEFT_PLAN_FP16 = 1,
  WEFT_PLAN_BF16 = 2,
  WEFT_PLAN_INT32 = 3
};

/* How a message and the word that announces it travel. */
enum weft_plan_protocol {
  /* Data, a fence, a counter. */
  WEFT_PLAN_SIMPLE = 0,
  /* 4 bytes of data and a 4-byte flag in one 8-byte store. */
  WEFT_PLAN_LL = 1,
  /* 120 bytes of data and an 8-byte flag in 128 bytes that arrive in order. */
  WEFT_PLAN_LL128 = 2
};

/* What a buffer is for. */
enum weft_plan_role {
  WEFT_PLAN_INPUT = 0,
  WEFT_PLAN_OUTPUT = 1,
  /* The caller's data, replaced by the result. */
  WEFT_PLAN_IN_PLACE = 2,
  /* The schedule's own, kept from call to call. */
  WEFT_PLAN_SCRATCH = 3
};

/* How elements lie in a buffer. */
enum weft_plan_storage {
  WEFT_PLAN_PLAIN = 0,
  /* In cells of 4 bytes of data and a 4-byte flag. */
  WEFT_PLAN_FLAGGED_CELLS = 1
};

/* The beginning of the file: 176 bytes without padding. */
struct weft_plan_header {
  uint64_t magic;
  uint32_t version;
  /* sizeof(struct weft_plan_header). */
  uint32_t header_bytes;
  /* The length of the whole file. */
  uint64_t file_bytes;
  /* weft_plan_checksum() of the file. */
  uint64_t checksum;
  /* One of enum weft_plan_collective, weft_plan_type, weft_plan_protocol. */
  uint32_t collective;
  uint32_t type;
  uint32_t protocol;
  /* How ranks lie on nodes: blocks of consecutive ranks. */
  uint32_t ranks;
  uint32_t ranks_per_node;
  /* Lanes of every rank. */
  uint32_t lanes;
  /* How many call bodies there are, and how many of the last ones repeat. */
  uint32_t bodies;
  uint32_t period;
  /* Messages of one connection that may be sent and not yet taken. */
  uint32_t slots;
  /* Threads of a thread block, for backends that have them; 0 leaves it to the backend. */
  uint32_t threads;
  uint32_t buffers;
  uint32_t kernels;
  /* The size in elements and in bytes, which may hold a rest smaller than an element per rank. */
  uint64_t elements;
  uint64_t bytes;
  /* The number of operations of all bodies, ranks and lanes. */
  uint64_t operations;
  /* Thread blocks or channels as the library counts them. */
  uint32_t channels;
  uint32_t reserved;
  /* What runs and which protocol it is priced with, for people; padded with zeros. */
  char algorithm[48];
  char protocol_name[16];
};

/* A buffer that every rank has: 48 bytes. */
struct weft_plan_buffer {
  char name[32];
  /* One of enum weft_plan_role and weft_plan_storage. */
  uint32_t role;
  uint32_t storage;
  uint64_t elements;
};

/* A kernel of a call: 40 bytes. */
struct weft_plan_kernel {
  char name[32];
  /* 1 if it starts as many thread blocks as the device holds, else 0: one per lane. */
  uint32_t fills_device;
  /* 1 if it runs on a stream of its own. */
  uint32_t own_stream;
};

/* The operations of a lane in a call body: 16 bytes. */
struct weft_plan_run {
  uint64_t first;
  uint64_t count;
};

/* One end of a connection; an unused port has the peer -1. */
struct weft_plan_port {
  /* The rank at the other end. */
  int32_t peer;
  /* The lane of that rank. */
  int16_t lane;
  /* Tells apart connections between the same two lanes. */
  int16_t tag;
};

/* One operation of one lane: 56 bytes without padding. */
struct weft_plan_operation {
  /* One of enum weft_plan_kind. */
  uint8_t kind;
  /* Bits of enum weft_plan_action; 0 unless the kind is a transfer. */
  uint8_t actions;
  /* The buffers of the three places, as indices in the plan's list of buffers. */
  uint8_t source_buffer;
  uint8_t addend_buffer;
  uint8_t destination_buffer;
  /* Zero. */
  uint8_t reserved[3];
  /* Where messages or flags come from. */
  struct weft_plan_port from;
  /* Where messages or flags go to. */
  struct weft_plan_port to;
  /* The offsets of the three places in elements. */
  int64_t source_offset;
  int64_t addend_offset;
  int64_t destination_offset;
  /* The elements of a transfer or put; the number of a kernel; else 0. */
  int64_t count;
};

/* A plan whose every number has been checked; it points into the bytes it was read from. */
struct weft_plan_view {
  const struct weft_plan_header *header;
  const struct weft_plan_buffer *buffers;
  const struct weft_plan_kernel *kernels;
  const struct weft_plan_run *runs;
  const struct weft_plan_operation *operations;
};

/* FNV-1a over the 8-byte words of the file but the one that holds the checksum. */
uint64_t weft_plan_checksum(const void *bytes, size_t size);

/*
 * Checks a plan: magic, version, lengths, checksum, and of every operation the kind, the actions,
 * the peer, the lane, the buffers, the offsets and the length.
 *
 * `bytes` is aligned to 8. Returns 0 and fills `view`, or -1 and says why in `problem`, which holds
 * `length` characters. Whether messages meet is for the reader that runs the plan to check.
 */
int weft_plan_open(
  const void *bytes, size_t size, struct weft_plan_view *view, char *problem, size_t length);

/* The bytes of an element. */
uint32_t weft_plan_element_bytes(uint32_t type);

/* The call body of a call counted from 0. */
uint32_t weft_plan_body(const struct weft_plan_header *header, uint64_t call);

/* Where the operations of a lane in a call body are. */
const struct weft_plan_run *weft_plan_find_run(
  const struct weft_plan_view *view, uint32_t body, uint32_t rank, uint32_t lane);

#ifdef __cplusplus
}
#endif

#endif
