/*
 * The plan file: a schedule as the runtime executes it.
 *
 * Weft writes plans and the runtime reads them; both include this header. All numbers are
 * little-endian. The enumerators have the raw values of Weft's Operation.Kind and
 * Operation.Actions, so a value may be appended but never changed without a new version.
 */
#ifndef WEFT_PLAN_H
#define WEFT_PLAN_H

#include <stdint.h>

/* The first eight bytes of a plan file: "WEFTPLAN". */
#define WEFT_PLAN_MAGIC 0x4e414c5054464557ULL

/* The version of the format; a reader refuses any other. */
#define WEFT_PLAN_VERSION 1u

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
  /* The number of elements; for a kernel, its number. */
  int64_t count;
};

#endif
