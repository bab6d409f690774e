// Process-level calls that Swift cannot import directly (variadic or macro-only). Signals, resource limits, fork+exec.
#pragma once
#include <stdint.h>
