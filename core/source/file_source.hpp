// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SOURCE_FILE_SOURCE_HPP
#define NBDSTREAM_SOURCE_FILE_SOURCE_HPP

#include "io/unique_fd.hpp"
#include "source/source.hpp"

namespace nbdstream::source {

/// A file or a block device, as it is. Its holes are found where the file system tells of them.
class file_source final : public source {
 public:
  /// Throws config::error where it cannot be read.
  explicit file_source(const std::string& path);

  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  [[nodiscard]] std::uint64_t size() const noexcept override { return size_; }
  [[nodiscard]] failure read(std::uint64_t offset, std::span<std::byte> into) override;
  [[nodiscard]] failure look(std::uint64_t offset, std::uint64_t until, extent& found) override;

 private:
  [[nodiscard]] failure change_of_size() const;

  std::string name_;
  io::unique_fd fd_;
  std::uint64_t size_ = 0;
  bool is_file_ = false;  ///< not a device
};

}  // namespace nbdstream::source
#endif
