// SPDX-License-Identifier: BSD-3-Clause
#include "server/descriptor_limit.hpp"

#include <sys/resource.h>

#include <optional>

namespace nbdstream {
namespace {

/// What it was; a limit belongs to the whole process. None: it was not raised.
std::optional<rlimit> original;

}  // namespace

void raise_descriptor_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  rlimit raised = limit;
  raised.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) original = limit;
}

original_descriptor_limit::original_descriptor_limit() noexcept {
  if (original) ::setrlimit(RLIMIT_NOFILE, &*original);
}

original_descriptor_limit::~original_descriptor_limit() {
  if (!original) return;
  rlimit raised = *original;
  raised.rlim_cur = raised.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &raised);
}

}  // namespace nbdstream
