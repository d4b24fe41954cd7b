// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_RESTORE_INPUT_HPP
#define NBDSTREAM_RESTORE_INPUT_HPP

#include "io/unique_fd.hpp"
#include "restore/byte_input.hpp"
#include "restore/stop_signals.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace nbdstream::restore {

/// Where diffs come from: a file, which can be read as often as one likes, or a pipe.
class input final : public byte_input {
 public:
  /// "-": standard input. Throws failure where it cannot be opened.
  input(const std::string& path, const stop_signals& signals);

  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  [[nodiscard]] bool seekable() const noexcept { return seekable_; }

  [[nodiscard]] std::size_t read(std::span<std::byte> into) override;
  [[nodiscard]] std::uint64_t skip(std::uint64_t count) override;
  void rewind() noexcept override {
    if (seekable_) position_ = 0;
  }
  /// All of `into`, from the byte `at` on. State: seekable().
  void read_at(std::uint64_t at, std::span<std::byte> into) const;

  /// Copies what a pipe holds into a file without a name, in $TMPDIR or /var/tmp, which stands in
  /// its place from then on.
  void keep_in_file();

 private:
  [[nodiscard]] std::size_t read_some(std::uint64_t at, std::span<std::byte> into) const;

  std::string name_;
  const stop_signals& signals_;
  io::unique_fd fd_;
  bool seekable_ = false;
  std::uint64_t begin_ = 0;     ///< where standard input stood
  std::uint64_t position_ = 0;  ///< behind begin_
};

/// What a command line names; nothing: standard input. Throws failure.
[[nodiscard]] std::vector<input> open_inputs(const std::vector<std::string>& paths,
                                             const stop_signals& signals);

}  // namespace nbdstream::restore
#endif
