// SPDX-License-Identifier: BSD-3-Clause
//
// The source of the choices that make a script: random numbers, or the bytes of a fuzzer.
#ifndef NBDSTREAM_TESTS_PROPERTY_CHOICES_HPP
#define NBDSTREAM_TESTS_PROPERTY_CHOICES_HPP

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>

namespace nbdstream::test {

class choices {
 public:
  virtual ~choices() = default;
  /// A number below `bound`, which is 1 to 65536.
  [[nodiscard]] virtual std::uint32_t below(std::uint32_t bound) = 0;
  /// Whether the choices are used up. Then below() returns 0.
  [[nodiscard]] virtual bool exhausted() const { return false; }

  [[nodiscard]] bool one_in(std::uint32_t n) { return below(n) == n - 1; }
};

class random_choices final : public choices {
 public:
  explicit random_choices(std::uint32_t seed) : random_(seed) {}
  [[nodiscard]] std::uint32_t below(std::uint32_t bound) override { return random_() % bound; }

 private:
  std::mt19937 random_;
};

/// Takes one byte for a choice, two for a large one.
class byte_choices final : public choices {
 public:
  explicit byte_choices(std::span<const std::uint8_t> bytes) : rest_(bytes) {}
  [[nodiscard]] std::uint32_t below(std::uint32_t bound) override {
    auto value = take();
    if (bound > 256) value = value << 8 | take();
    return value % bound;
  }
  [[nodiscard]] bool exhausted() const override { return rest_.empty(); }

 private:
  std::uint32_t take() {
    if (rest_.empty()) return 0;
    const auto value = rest_.front();
    rest_ = rest_.subspan(1);
    return value;
  }
  std::span<const std::uint8_t> rest_;
};

}  // namespace nbdstream::test
#endif
