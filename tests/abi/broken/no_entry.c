/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A shared library that is no sink module. */
__attribute__((visibility("default"))) int nothing_that_the_host_looks_for(void);
int nothing_that_the_host_looks_for(void) {
  return 0;
}
