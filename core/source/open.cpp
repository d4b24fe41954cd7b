// SPDX-License-Identifier: BSD-3-Clause
#include "source/open.hpp"

#include "config/config.hpp"
#include "diff/records.hpp"
#include "restore/failure.hpp"
#include "seekable/format.hpp"
#include "source/diff_source.hpp"
#include "source/file_source.hpp"
#include "source/module_source.hpp"
#include "source/zstd_source.hpp"

#include <fmt/format.h>
#include <boost/endian/conversion.hpp>

#include <algorithm>
#include <utility>

namespace nbdstream::source {
namespace {

using form = config::source_form;

/// For all that is served: memory must not grow with the length of a chain.
constexpr std::size_t most_kept = 64;                // frames, and blocks
constexpr std::size_t most_frame_bytes = 256 << 20;  // bytes, as is this:
constexpr std::size_t most_block_bytes = 64 << 20;

/// The first bytes, at most `count`.
failure read_beginning(source& of, std::size_t count, std::vector<std::byte>& bytes) {
  bytes.resize(std::min<std::uint64_t>(of.size(), count));
  return of.read(0, bytes);
}

bool is_zstd(source& s) {
  std::vector<std::byte> bytes;
  const auto failed = read_beginning(s, sizeof(std::uint32_t), bytes);
  if (failed) throw config::error(failed.why);
  if (bytes.size() < sizeof(std::uint32_t)) return false;
  const auto magic =
      boost::endian::load_little_u32(reinterpret_cast<const unsigned char*>(bytes.data()));
  // An empty stream has a table, and no frame before it.
  return magic == seekable::frame_magic || magic == seekable::table_magic;
}

/// What is corrupt there does not keep the rest from being served.
bool is_diff(source& s, log::logger& log) {
  std::vector<std::byte> bytes;
  const auto failed = read_beginning(s, diff::magic.size(), bytes);
  if (failed && !failed.corrupt) throw config::error(failed.why);
  if (failed)
    log.warning("{}; it is served as a disk, since it does not begin as a diff", failed.why);
  return !failed && std::ranges::equal(bytes, std::as_bytes(std::span(diff::magic)));
}

/// Opens what one request names.
class opener {
 public:
  opener(const request& r, log::logger& log) : request_(r), log_(log) {}

  [[nodiscard]] std::shared_ptr<source> open() {
    std::vector<std::shared_ptr<source>> all;
    for (const auto& name : request_.names) all.push_back(open_one(name));
    const auto& first = *all.front();
    const bool guessed = request_.as == form::by_first_bytes;
    if (request_.as == form::diff || (guessed && is_diff(*all.front(), log_))) {
      return put_together(std::move(all));
    }
    if (all.size() == 1) return all.front();
    throw config::error(fmt::format(
        "{} is not an rbd diff; give one disk, or the diffs of one disk, the full one first",
        first.name()));
  }

 private:
  [[nodiscard]] std::shared_ptr<source> open_one(const std::string& name) {
    std::shared_ptr<source> one;
    if (scheme_of(name).empty()) {
      one = std::make_shared<file_source>(name);
    } else {
      one = open_by_module(name, request_.options, blocks_, log_);
    }
    const bool compressed =
        request_.as == form::zstd || (request_.as != form::raw && is_zstd(*one));
    if (!compressed) return one;
    compressed_ = true;
    try {
      return std::make_shared<zstd_source>(std::move(one), frames_);
    } catch (const config::error& e) {
      if (request_.as != form::by_first_bytes) throw;
      throw config::error(
          fmt::format("{}. If it is a disk that begins in the same way, give --as raw", e.what()));
    }
  }

  [[nodiscard]] std::shared_ptr<source> put_together(std::vector<std::shared_ptr<source>> all) {
    const bool doubtful = request_.as == form::by_first_bytes && all.size() == 1;
    const std::string_view otherwise = compressed_ ? "zstd" : "raw";
    try {
      auto made = std::make_shared<diff_source>(std::move(all));
      if (doubtful) {
        log_.info(
            "{}: is taken for an rbd diff, because it begins like one; if it is a disk, give --as "
            "{}",
            made->name(), otherwise);
      }
      return made;
    } catch (const restore::failure& e) {
      if (!doubtful) throw;
      throw config::error(fmt::format("{}. If it is a disk that begins like a diff, give --as {}",
                                      e.what(), otherwise));
    }
  }

  const request& request_;
  log::logger& log_;
  std::shared_ptr<frame_cache> frames_ = std::make_shared<frame_cache>(most_kept, most_frame_bytes);
  std::shared_ptr<frame_cache> blocks_ = std::make_shared<frame_cache>(most_kept, most_block_bytes);
  bool compressed_ = false;  ///< the last one
};

}  // namespace

std::shared_ptr<source> open(const request& r, log::logger& log) {
  const bool all_files =
      std::ranges::all_of(r.names, [](const auto& name) { return scheme_of(name).empty(); });
  if (all_files && !r.options.empty()) {
    throw config::error(fmt::format("{}: {}: a file has no settings, only what SCHEME://... names",
                                    r.options.front().where, r.options.front().key));
  }
  return opener(r, log).open();
}

}  // namespace nbdstream::source
