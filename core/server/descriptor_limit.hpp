// SPDX-License-Identifier: BSD-3-Clause
//
// How many files may be open: more for us than for what we start.
#ifndef NBDSTREAM_SERVER_DESCRIPTOR_LIMIT_HPP
#define NBDSTREAM_SERVER_DESCRIPTOR_LIMIT_HPP

namespace nbdstream {

/// Raises the limit to the highest that this process may have: every connection takes a
/// descriptor. Once.
void raise_descriptor_limit() noexcept;

/// While it lives, the limit is what it was before raise_descriptor_limit(), so that a process
/// which is started meanwhile inherits that: one that calls select(2) cannot use more.
class original_descriptor_limit {
 public:
  original_descriptor_limit() noexcept;
  ~original_descriptor_limit();
  original_descriptor_limit(const original_descriptor_limit&) = delete;
  original_descriptor_limit& operator=(const original_descriptor_limit&) = delete;
};

}  // namespace nbdstream
#endif
