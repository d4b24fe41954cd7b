// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_RESTORE_TARGET_HPP
#define NBDSTREAM_RESTORE_TARGET_HPP

#include "restore/chain.hpp"
#include "restore/stop_signals.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace nbdstream::restore {

/// The disk that diffs are applied to. In this order: begin(); resize(), write() and zero();
/// flush(); read(); commit(). All throw failure, or `stopped`.
class target {
 public:
  target() = default;
  target(const target&) = delete;
  target& operator=(const target&) = delete;
  virtual ~target() = default;

  [[nodiscard]] virtual const std::string& name() const noexcept = 0;
  /// The disk's size in bytes; none: it is made, and nobody sees it before commit().
  [[nodiscard]] virtual std::optional<std::uint64_t> size() const = 0;
  [[nodiscard]] virtual bool can_grow() const noexcept { return false; }
  /// What is written down of the snapshot that it holds.
  [[nodiscard]] virtual snapshot_state held() const { return {snapshot_state::kind::never_kept}; }

  /// It is written from now on, beginning from a snapshot, or from nothing: until commit() it holds
  /// a part of it.
  virtual void begin(const std::optional<std::string>& from) = 0;
  /// Grows to `size` bytes. State: size() is none, or can_grow().
  virtual void resize(std::uint64_t size) = 0;
  virtual void write(std::uint64_t offset, std::span<const std::byte> data) = 0;
  virtual void zero(std::uint64_t offset, std::uint64_t length) = 0;
  /// All of that is on the disk.
  virtual void flush() = 0;
  /// From the disk, as far as the system tells.
  virtual void read(std::uint64_t offset, std::span<std::byte> into) = 0;
  /// It is whole, and holds this snapshot.
  virtual void commit(const std::optional<std::string>& snapshot) = 0;
};

/// What `name` stands for: a URI, a block device, a file, or a file that is to be made. Throws
/// failure where it can be none of them.
[[nodiscard]] std::unique_ptr<target> open_target(const std::string& name,
                                                  const stop_signals& signals);

}  // namespace nbdstream::restore
#endif
