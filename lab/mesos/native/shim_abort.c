/* What every function of OpenSSL, libcurl and Python does that the library names but nothing of ours leads to. */
#include <stdio.h>
#include <stdlib.h>

__attribute__((visibility("hidden"), noreturn)) void shim_abort(const char *name) {
  fprintf(stderr, "mesos: %s() was called; TLS and the Python binding are not in this build\n", name);
  abort();
}
