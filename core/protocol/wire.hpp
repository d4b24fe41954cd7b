// SPDX-License-Identifier: BSD-3-Clause
//
// Big-endian integers, as everything in NBD is (doc/proto.md, "Conventions").
#ifndef NBDSTREAM_PROTOCOL_WIRE_HPP
#define NBDSTREAM_PROTOCOL_WIRE_HPP

#include <boost/endian/conversion.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace nbdstream::protocol {

using bytes = std::span<const std::byte>;

/// Takes integers from the front of a buffer. The caller has checked that they are there.
class reader {
 public:
  explicit reader(bytes in) noexcept : in_(in) {}

  template <class Integer>
  [[nodiscard]] Integer take() noexcept {
    using raw = typename std::make_unsigned<Integer>::type;
    const auto* const p = reinterpret_cast<const unsigned char*>(in_.data());
    const auto value = boost::endian::endian_load<raw, sizeof(raw), boost::endian::order::big>(p);
    in_ = in_.subspan(sizeof(raw));
    return static_cast<Integer>(value);
  }
  [[nodiscard]] std::string_view text(std::size_t length) noexcept {
    const auto head = in_.first(length);
    in_ = in_.subspan(length);
    return {reinterpret_cast<const char*>(head.data()), head.size()};
  }
  [[nodiscard]] std::size_t left() const noexcept { return in_.size(); }

 private:
  bytes in_;
};

/// Appends integers to a buffer.
class writer {
 public:
  explicit writer(std::vector<std::byte>& out) noexcept : out_(out) {}

  template <class Integer>
  writer& put(Integer value) {
    const auto at = out_.size();
    out_.resize(at + sizeof(Integer));
    boost::endian::endian_store<Integer, sizeof(Integer), boost::endian::order::big>(
        reinterpret_cast<unsigned char*>(out_.data() + at), value);
    return *this;
  }
  writer& text(std::string_view s) {
    const auto* const p = reinterpret_cast<const std::byte*>(s.data());
    out_.insert(out_.end(), p, p + s.size());
    return *this;
  }
  writer& zeroes(std::size_t count) {
    out_.resize(out_.size() + count);
    return *this;
  }

 private:
  std::vector<std::byte>& out_;
};

}  // namespace nbdstream::protocol
#endif
