// SPDX-License-Identifier: BSD-3-Clause
//
// Counts what is allocated, however it is done: operator new, malloc, aligned_alloc.
#ifndef NBDSTREAM_TESTS_ALLOCATION_ALLOCATIONS_HPP
#define NBDSTREAM_TESTS_ALLOCATION_ALLOCATIONS_HPP

#include <cstdint>

namespace nbdstream::test {

/// From now on what the calling thread allocates counts.
void count_allocations_of_this_thread();

/// So many were counted; for any thread to ask.
[[nodiscard]] std::uint64_t allocations() noexcept;

}  // namespace nbdstream::test
#endif
