// libpng behind a C shim: setjmp stays inside it.
#pragma once
#include <stddef.h>
#include <stdint.h>
