// SPDX-License-Identifier: BSD-3-Clause
#include "buffers.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nbdstream/sink.hpp>

namespace nbdstream::s3 {
namespace {

constexpr std::size_t page = 4096;
// From here on it is cheaper to give pages back than to clear them.
constexpr std::size_t worth_giving_back = 1 << 20;

}  // namespace

buffer::buffer(std::size_t size) : size_(size) {
  void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    throw sink_error(ENOMEM, "there is no memory for a part of " + std::to_string(size >> 20) +
                                 " MiB: give a smaller part-size, or the size of the stream");
  data_ = static_cast<std::byte*>(memory);
}

buffer::~buffer() {
  ::munmap(data_, size_);
}

void buffer::write(std::size_t offset, std::span<const std::byte> bytes) noexcept {
  std::memcpy(data_ + offset, bytes.data(), bytes.size());
  touched_ = std::max(touched_, offset + bytes.size());
}

void buffer::zero(std::size_t offset, std::size_t count) noexcept {
  const std::size_t end = std::min(offset + count, touched_);
  if (end <= offset) return;
  const std::size_t first_page = (offset + page - 1) / page * page;
  const std::size_t last_page = end / page * page;
  const bool gives_back = last_page > first_page && last_page - first_page >= worth_giving_back &&
                          ::madvise(data_ + first_page, last_page - first_page, MADV_DONTNEED) == 0;
  if (!gives_back) {
    std::memset(data_ + offset, 0, end - offset);
    return;
  }
  std::memset(data_ + offset, 0, first_page - offset);
  std::memset(data_ + last_page, 0, end - last_page);
}

std::shared_ptr<buffer> buffer_pool::lend(std::size_t size, std::size_t most) {
  const std::lock_guard lock(mutex_);
  if (lent_ >= most) return nullptr;
  // Parts grow: those of the old size are not needed any more.
  std::erase_if(free_, [&](const auto& one) { return one->size() != size; });
  std::unique_ptr<buffer> one;
  if (free_.empty()) {
    one = std::make_unique<buffer>(size);
  } else {
    one = std::move(free_.back());
    free_.pop_back();
  }
  ++lent_;
  free_.reserve(lent_ + free_.size());
  return {one.release(), [pool = shared_from_this()](buffer* back) noexcept {
            pool->take_back(std::unique_ptr<buffer>(back));
          }};
}

void buffer_pool::take_back(std::unique_ptr<buffer> one) noexcept {
  const std::lock_guard lock(mutex_);
  --lent_;
  free_.push_back(std::move(one));  // the place is reserved
}

void buffer_pool::give_back() {
  std::vector<std::unique_ptr<buffer>> unused;
  const std::lock_guard lock(mutex_);
  unused.swap(free_);
  free_.reserve(lent_);
}

}  // namespace nbdstream::s3
