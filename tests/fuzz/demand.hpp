// SPDX-License-Identifier: BSD-3-Clause
//
// What the fuzz targets share: a finding is a sentence on stderr, and the end.
#ifndef NBDSTREAM_TESTS_FUZZ_DEMAND_HPP
#define NBDSTREAM_TESTS_FUZZ_DEMAND_HPP

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

namespace nbdstream::test {

inline void demand(bool is_so, const char* text) {
  if (is_so) return;
  std::fprintf(stderr, "not so: %s\n", text);
  std::abort();
}

/// Takes settings off the front of the fuzzer's bytes; what is not there is 0.
class settings_of {
 public:
  explicit settings_of(std::span<const std::uint8_t> in) : in_(in) {}

  std::uint64_t number(std::size_t bytes) {
    std::uint64_t value = 0;
    for (; bytes > 0; --bytes) value = value << 8 | byte();
    return value;
  }
  std::uint8_t byte() {
    if (in_.empty()) return 0;
    const auto value = in_.front();
    in_ = in_.subspan(1);
    return value;
  }
  [[nodiscard]] std::string_view rest() const {
    return {reinterpret_cast<const char*>(in_.data()), in_.size()};
  }

 private:
  std::span<const std::uint8_t> in_;
};

}  // namespace nbdstream::test
#endif
