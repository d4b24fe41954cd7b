// SPDX-License-Identifier: BSD-3-Clause
#include "restore/nbd_target.hpp"

#include "restore/failure.hpp"
#include "restore/nbd_connection.hpp"

#include <algorithm>

namespace nbdstream::restore {
namespace {

/// A request without payload may be longer, but some servers write the zeroes, and answer to none
/// of what comes behind it until then.
constexpr std::uint64_t longest_zero = 64 << 20;  // bytes

class nbd_target final : public target {
 public:
  nbd_target(const std::string& uri, const stop_signals& signals) : server_(uri, signals) {
    auto* const h = server_.handle();
    if (::nbd_is_read_only(h) > 0) throw failure(uri + " is read-only");
    const auto size = ::nbd_get_size(h);
    if (size < 0) throw failure(uri + ": the server does not tell the disk's size");
    size_ = static_cast<std::uint64_t>(size);
    can_zero_ = ::nbd_can_zero(h) > 0;
    const auto most = ::nbd_get_block_size(h, LIBNBD_SIZE_MAXIMUM);
    if (most > 0) piece_ = std::min(piece_, static_cast<std::uint64_t>(most));
  }

  [[nodiscard]] const std::string& name() const noexcept override { return server_.uri(); }
  [[nodiscard]] std::optional<std::uint64_t> size() const override { return size_; }
  void begin(const std::optional<std::string>& /*from*/) override {}
  void resize(std::uint64_t /*size*/) override { throw failure(name() + " cannot grow"); }

  void write(std::uint64_t offset, std::span<const std::byte> data) override {
    in_pieces(offset, data.size(), piece_, [&](std::uint64_t at, std::uint64_t length) {
      server_.write(at, data.subspan(at - offset, length));
    });
  }

  void zero(std::uint64_t offset, std::uint64_t length) override {
    if (can_zero_) {
      in_pieces(offset, length, longest_zero,
                [&](std::uint64_t at, std::uint64_t count) { server_.zero(at, count); });
      return;
    }
    if (zeroes_.empty()) zeroes_.resize(piece_);
    in_pieces(offset, length, piece_, [&](std::uint64_t at, std::uint64_t count) {
      server_.write(at, std::span<const std::byte>(zeroes_).first(count));
    });
  }

  void flush() override { server_.flush(); }

  void read(std::uint64_t offset, std::span<std::byte> into) override {
    in_pieces(offset, into.size(), piece_, [&](std::uint64_t at, std::uint64_t count) {
      server_.read(at, into.subspan(at - offset, count));
    });
  }

  void commit(const std::optional<std::string>& /*snapshot*/) override { server_.close(); }

 private:
  /// Pieces end at multiples of `most`, so that all but the first and the last are aligned.
  template <class Each>
  static void in_pieces(std::uint64_t offset, std::uint64_t length, std::uint64_t most,
                        const Each& each) {
    while (length > 0) {
      const auto count = std::min(length, most - offset % most);
      each(offset, count);
      offset += count;
      length -= count;
    }
  }

  nbd_connection server_;
  std::uint64_t size_ = 0;
  std::uint64_t piece_ = nbd_connection::piece();
  bool can_zero_ = false;
  std::vector<std::byte> zeroes_;
};

}  // namespace

bool is_nbd_uri(std::string_view name) noexcept {
  return name.starts_with("nbd") && name.substr(0, name.find('/')).ends_with(':') &&
         name.find("://") != std::string_view::npos;
}

std::unique_ptr<target> connect(const std::string& uri, const stop_signals& signals) {
  return std::make_unique<nbd_target>(uri, signals);
}

}  // namespace nbdstream::restore
