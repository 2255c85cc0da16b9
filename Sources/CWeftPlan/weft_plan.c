#include "weft_plan.h"

#include <stddef.h>

/* Records are read and written as they lie in memory, so every compiler has to lay them out alike. */
_Static_assert(sizeof(struct weft_plan_port) == 8, "a port has 8 bytes");
_Static_assert(sizeof(struct weft_plan_operation) == 56, "an operation has 56 bytes");
_Static_assert(offsetof(struct weft_plan_operation, from) == 8, "ports follow the bytes");
_Static_assert(offsetof(struct weft_plan_operation, source_offset) == 24, "offsets follow ports");
