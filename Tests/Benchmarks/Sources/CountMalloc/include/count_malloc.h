#pragma once

/// How often this process has asked for memory so far: malloc, calloc, realloc and aligned ones.
long count_malloc_calls(void);
