#include "weft_plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Records are read and written as they lie in memory, so every compiler has to lay them out alike. */
_Static_assert(sizeof(struct weft_plan_header) == 176, "a header has 176 bytes");
_Static_assert(sizeof(struct weft_plan_buffer) == 48, "a buffer has 48 bytes");
_Static_assert(sizeof(struct weft_plan_kernel) == 40, "a kernel has 40 bytes");
_Static_assert(sizeof(struct weft_plan_run) == 16, "a run has 16 bytes");
_Static_assert(sizeof(struct weft_plan_port) == 8, "a port has 8 bytes");
_Static_assert(sizeof(struct weft_plan_operation) == 56, "an operation has 56 bytes");
_Static_assert(offsetof(struct weft_plan_header, checksum) == 24, "the checksum is a whole word");
_Static_assert(offsetof(struct weft_plan_operation, from) == 8, "ports follow the bytes");
_Static_assert(offsetof(struct weft_plan_operation, source_offset) == 24, "offsets follow ports");

struct problem {
  char *text;
  size_t length;
};

static int refuse(struct problem *problem, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(problem->text, problem->length, format, arguments);
  va_end(arguments);
  return -1;
}

uint64_t weft_plan_checksum(const void *bytes, size_t size) {
  const unsigned char *data = bytes;
  const size_t skipped = offsetof(struct weft_plan_header, checksum);
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (size_t at = 0; at + 8 <= size; at += 8) {
    uint64_t word;
    if (at == skipped) continue;
    memcpy(&word, data + at, 8);
    hash = (hash ^ word) * 0x100000001b3ULL;
    /* A multiplication alone carries nothing downwards. */
    hash ^= hash >> 29;
  }
  return hash;
}

uint32_t weft_plan_element_bytes(uint32_t type) {
  return type == WEFT_PLAN_FP16 || type == WEFT_PLAN_BF16 ? 2 : 4;
}

uint32_t weft_plan_body(const struct weft_plan_header *header, uint64_t call) {
  uint32_t first = header->bodies - header->period;
  return call < header->bodies ? (uint32_t)call
                               : first + (uint32_t)((call - first) % header->period);
}

const struct weft_plan_run *weft_plan_find_run(
  const struct weft_plan_view *view, uint32_t body, uint32_t rank, uint32_t lane) {
  uint64_t row = (uint64_t)body * view->header->ranks + rank;
  return &view->runs[row * view->header->lanes + lane];
}

/* MARK: - Checks */

static int check_header(const struct weft_plan_header *header, size_t size, struct problem *out) {
  struct {
    const char *name;
    uint64_t value, least, most;
  } ranges[] = {
    {"collective", header->collective, 0, WEFT_PLAN_ALL_TO_ALL},
    {"type", header->type, 0, WEFT_PLAN_INT32},
    {"protocol", header->protocol, 0, WEFT_PLAN_LL128},
    {"ranks", header->ranks, 1, WEFT_PLAN_MAX_RANKS},
    {"ranks per node", header->ranks_per_node, 1, header->ranks},
    {"lanes", header->lanes, 1, WEFT_PLAN_MAX_LANES},
    {"call bodies", header->bodies, 1, WEFT_PLAN_MAX_BODIES},
    {"period", header->period, 1, header->bodies},
    {"slots", header->slots, 1, WEFT_PLAN_MAX_SLOTS},
    {"threads", header->threads, 0, 1024},
    {"buffers", header->buffers, 1, WEFT_PLAN_MAX_BUFFERS},
    {"kernels", header->kernels, 1, WEFT_PLAN_MAX_KERNELS},
    {"elements", header->elements, 0, WEFT_PLAN_MAX_ELEMENTS},
    {"channels", header->channels, 0, WEFT_PLAN_MAX_LANES},
    {"operations", header->operations, 0, size / sizeof(struct weft_plan_operation)},
  };
  for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
    if (ranges[i].value < ranges[i].least || ranges[i].value > ranges[i].most)
      return refuse(
        out, "%s is %llu, not %llu to %llu", ranges[i].name, (unsigned long long)ranges[i].value,
        (unsigned long long)ranges[i].least, (unsigned long long)ranges[i].most);
  }
  if (header->ranks % header->ranks_per_node)
    return refuse(
      out, "%u ranks are no whole nodes of %u", header->ranks, header->ranks_per_node);
  if (header->algorithm[sizeof header->algorithm - 1]
      || header->protocol_name[sizeof header->protocol_name - 1])
    return refuse(out, "a name has no end");
  return 0;
}

/* The elements that a caller's buffer has, by the collective. */
static uint64_t caller_elements(const struct weft_plan_header *header, uint32_t role) {
  uint64_t share = header->elements / header->ranks;
  if (role == WEFT_PLAN_INPUT && header->collective == WEFT_PLAN_ALL_GATHER) return share;
  if (role == WEFT_PLAN_OUTPUT && header->collective == WEFT_PLAN_REDUCE_SCATTER) return share;
  return header->elements;
}

static int check_buffers(const struct weft_plan_view *view, struct problem *out) {
  unsigned inputs = 0, outputs = 0, both = 0;
  for (uint32_t i = 0; i < view->header->buffers; i++) {
    const struct weft_plan_buffer *buffer = &view->buffers[i];
    if (buffer->name[sizeof buffer->name - 1]) return refuse(out, "buffer %u's name has no end", i);
    if (buffer->role > WEFT_PLAN_SCRATCH || buffer->storage > WEFT_PLAN_FLAGGED_CELLS)
      return refuse(out, "buffer %u has the role %u and storage %u", i, buffer->role, buffer->storage);
    if (buffer->elements > (uint64_t)WEFT_PLAN_MAX_ELEMENTS)
      return refuse(out, "buffer %u has %llu elements", i, (unsigned long long)buffer->elements);
    if (buffer->role == WEFT_PLAN_SCRATCH) continue;
    if (buffer->storage != WEFT_PLAN_PLAIN) return refuse(out, "the caller's buffer %u has flags", i);
    if (buffer->elements != caller_elements(view->header, buffer->role))
      return refuse(
        out, "buffer %u has %llu elements, not the caller's", i,
        (unsigned long long)buffer->elements);
    if (buffer->role == WEFT_PLAN_INPUT) inputs++;
    if (buffer->role == WEFT_PLAN_OUTPUT) outputs++;
    if (buffer->role == WEFT_PLAN_IN_PLACE) both++;
  }
  if (!((inputs == 1 && outputs == 1 && both == 0) || (inputs == 0 && outputs == 0 && both == 1)))
    return refuse(out, "it needs one input and one output, or one buffer in place");
  for (uint32_t i = 0; i < view->header->kernels; i++) {
    const struct weft_plan_kernel *kernel = &view->kernels[i];
    if (kernel->name[sizeof kernel->name - 1] || kernel->fills_device > 1 || kernel->own_stream > 1)
      return refuse(out, "kernel %u is no kernel", i);
  }
  return 0;
}

/* Where an operation is, for messages. */
struct place {
  uint32_t body, rank, lane;
  uint64_t step;
};

#define AT "rank %u lane %u call %u step %llu: "
#define PLACE(p) (p)->rank, (p)->lane, (p)->body, (unsigned long long)(p)->step

static int check_port(
  const struct weft_plan_view *view, const struct weft_plan_port *port, int may_be_own_rank,
  const struct place *at, struct problem *out) {
  const struct weft_plan_header *header = view->header;
  if (port->peer < 0 || (uint32_t)port->peer >= header->ranks)
    return refuse(out, AT "there is no rank %d", PLACE(at), port->peer);
  if (port->lane < 0 || (uint32_t)port->lane >= header->lanes)
    return refuse(out, AT "there is no lane %d", PLACE(at), port->lane);
  if ((uint32_t)port->peer == at->rank && (!may_be_own_rank || (uint32_t)port->lane == at->lane))
    return refuse(out, AT "it sends to itself", PLACE(at));
  return 0;
}

static int check_span(
  const struct weft_plan_view *view, uint8_t buffer, int64_t offset, int64_t count, int is_written,
  const struct place *at, struct problem *out) {
  if (buffer >= view->header->buffers)
    return refuse(out, AT "there is no buffer %u", PLACE(at), buffer);
  int64_t length = (int64_t)view->buffers[buffer].elements;
  /* All three are at most 2^40 once they have passed, so the sum cannot overflow. */
  if (offset < 0 || offset > length || count > length - offset)
    return refuse(
      out, AT "elements %lld and %lld more are not in buffer %u of %lld", PLACE(at),
      (long long)offset, (long long)count, buffer, (long long)length);
  if (is_written && count > 0 && view->buffers[buffer].role == WEFT_PLAN_INPUT)
    return refuse(out, AT "it writes to the caller's input", PLACE(at));
  return 0;
}

/* Operands that overlap the result without being it would depend on the order of elements. */
static int check_overlap(
  const struct weft_plan_operation *op, uint8_t buffer, int64_t offset, const struct place *at,
  struct problem *out) {
  if (buffer != op->destination_buffer || offset == op->destination_offset) return 0;
  int64_t distance = offset - op->destination_offset;
  if (distance < 0) distance = -distance;
  if (distance < op->count)
    return refuse(out, AT "an operand overlaps the result", PLACE(at));
  return 0;
}

static int check_transfer(
  const struct weft_plan_view *view, const struct weft_plan_operation *op, const struct place *at,
  struct problem *out) {
  int receives = op->actions & WEFT_PLAN_RECEIVE, reduces = op->actions & WEFT_PLAN_REDUCE;
  int stores = op->actions & WEFT_PLAN_STORE, sends = op->actions & WEFT_PLAN_SEND;
  if (op->actions & ~15 || (!stores && !sends && !receives))
    return refuse(out, AT "actions %u are no transfer", PLACE(at), op->actions);
  if (receives && check_port(view, &op->from, 0, at, out)) return -1;
  if (sends && check_port(view, &op->to, 0, at, out)) return -1;
  if ((!receives || reduces)
      && check_span(view, op->source_buffer, op->source_offset, op->count, 0, at, out))
    return -1;
  if (reduces && !receives
      && check_span(view, op->addend_buffer, op->addend_offset, op->count, 0, at, out))
    return -1;
  if (!stores) return 0;
  if (check_span(view, op->destination_buffer, op->destination_offset, op->count, 1, at, out))
    return -1;
  if ((!receives || reduces) && check_overlap(op, op->source_buffer, op->source_offset, at, out))
    return -1;
  return reduces && !receives ? check_overlap(op, op->addend_buffer, op->addend_offset, at, out) : 0;
}

static int check_operation(
  const struct weft_plan_view *view, const struct weft_plan_operation *op, const struct place *at,
  struct problem *out) {
  if (op->count < 0 || op->count > WEFT_PLAN_MAX_ELEMENTS)
    return refuse(out, AT "the length is %lld", PLACE(at), (long long)op->count);
  if (op->kind != WEFT_PLAN_TRANSFER && op->actions)
    return refuse(out, AT "an operation of kind %u has actions", PLACE(at), op->kind);
  if (op->kind != WEFT_PLAN_TRANSFER && op->kind != WEFT_PLAN_PUT && op->kind != WEFT_PLAN_KERNEL
      && op->count)
    return refuse(out, AT "an operation of kind %u has a length", PLACE(at), op->kind);
  if (op->reserved[0] || op->reserved[1] || op->reserved[2])
    return refuse(out, AT "its reserved bytes are not zero", PLACE(at));
  switch (op->kind) {
  case WEFT_PLAN_TRANSFER: return check_transfer(view, op, at, out);
  case WEFT_PLAN_PUT:
    if (check_port(view, &op->to, 0, at, out)) return -1;
    if (check_span(view, op->source_buffer, op->source_offset, op->count, 0, at, out)) return -1;
    return check_span(view, op->destination_buffer, op->destination_offset, op->count, 1, at, out);
  case WEFT_PLAN_SIGNAL: return check_port(view, &op->to, 1, at, out);
  case WEFT_PLAN_WAIT: return check_port(view, &op->from, 1, at, out);
  case WEFT_PLAN_BARRIER: return 0;
  case WEFT_PLAN_KERNEL:
    if (op->count >= view->header->kernels)
      return refuse(out, AT "there is no kernel %lld", PLACE(at), (long long)op->count);
    return 0;
  default: return refuse(out, AT "there is no operation of kind %u", PLACE(at), op->kind);
  }
}

static int check_runs(const struct weft_plan_view *view, struct problem *out) {
  const struct weft_plan_header *header = view->header;
  struct place at;
  uint64_t next = 0;
  for (at.body = 0; at.body < header->bodies; at.body++)
    for (at.rank = 0; at.rank < header->ranks; at.rank++)
      for (at.lane = 0; at.lane < header->lanes; at.lane++) {
        const struct weft_plan_run *run = weft_plan_find_run(view, at.body, at.rank, at.lane);
        if (run->first != next || run->count > header->operations - next)
          return refuse(
            out, "rank %u lane %u call %u has operations that are not its own", at.rank, at.lane,
            at.body);
        next += run->count;
        for (at.step = 0; at.step < run->count; at.step++)
          if (check_operation(view, &view->operations[run->first + at.step], &at, out)) return -1;
      }
  if (next != header->operations) return refuse(out, "it has operations of nobody");
  return 0;
}

int weft_plan_open(
  const void *bytes, size_t size, struct weft_plan_view *view, char *problem, size_t length) {
  struct problem out = {problem, length};
  const struct weft_plan_header *header = bytes;
  uint64_t magic = 0;
  if (size >= 8) memcpy(&magic, bytes, 8);
  if (magic != WEFT_PLAN_MAGIC) return refuse(&out, "it is no plan of Weft");
  if (size < sizeof *header) return refuse(&out, "it ends within the header");
  if (header->version != WEFT_PLAN_VERSION)
    return refuse(
      &out, "it has version %u of the format, and this reader knows %u", header->version,
      WEFT_PLAN_VERSION);
  if (header->header_bytes != sizeof *header)
    return refuse(&out, "its header has %u bytes", header->header_bytes);
  if (header->file_bytes != size)
    return refuse(
      &out, "it has %llu bytes, and its header says %llu: it was cut off or added to",
      (unsigned long long)size, (unsigned long long)header->file_bytes);
  if (size % 8 || weft_plan_checksum(bytes, size) != header->checksum)
    return refuse(&out, "its checksum is wrong: it was damaged");
  if (check_header(header, size, &out)) return -1;
  /* Every factor is bounded by now, so none of these products overflows 64 bits. */
  uint64_t runs = (uint64_t)header->bodies * header->ranks * header->lanes;
  uint64_t wanted = sizeof *header + header->buffers * sizeof(struct weft_plan_buffer)
    + header->kernels * sizeof(struct weft_plan_kernel) + runs * sizeof(struct weft_plan_run)
    + header->operations * sizeof(struct weft_plan_operation);
  if (wanted != size)
    return refuse(
      &out, "its parts come to %llu bytes, and it has %llu", (unsigned long long)wanted,
      (unsigned long long)size);
  view->header = header;
  view->buffers = (const void *)(header + 1);
  view->kernels = (const void *)(view->buffers + header->buffers);
  view->runs = (const void *)(view->kernels + header->kernels);
  view->operations = (const void *)(view->runs + runs);
  return check_buffers(view, &out) || check_runs(view, &out) ? -1 : 0;
}
