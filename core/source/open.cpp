// SPDX-License-Identifier: BSD-3-Clause
#include "source/open.hpp"

#include "config/config.hpp"
#include "diff/records.hpp"
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

/// The first bytes, at most `count`.
std::vector<std::byte> beginning(source& of, std::size_t count) {
  std::vector<std::byte> bytes(std::min<std::uint64_t>(of.size(), count));
  const auto failed = of.read(0, bytes);
  if (failed) throw config::error(failed.why);
  return bytes;
}

bool is_zstd(source& s) {
  const auto bytes = beginning(s, sizeof(std::uint32_t));
  if (bytes.size() < sizeof(std::uint32_t)) return false;
  const auto magic =
      boost::endian::load_little_u32(reinterpret_cast<const unsigned char*>(bytes.data()));
  // An empty stream has a table, and no frame before it.
  return magic == seekable::frame_magic || magic == seekable::table_magic;
}

bool is_diff(source& s) {
  const auto bytes = beginning(s, diff::magic.size());
  return std::ranges::equal(bytes, std::as_bytes(std::span(diff::magic)));
}

std::shared_ptr<source> open_one(const std::string& name,
                                 const std::vector<config::sink_setting>& options,
                                 log::logger& log) {
  if (!scheme_of(name).empty()) return open_by_module(name, options, log);
  return std::make_shared<file_source>(name);
}

}  // namespace

std::shared_ptr<source> open(const request& r, log::logger& log) {
  const bool all_files =
      std::ranges::all_of(r.names, [](const auto& name) { return scheme_of(name).empty(); });
  if (all_files && !r.options.empty()) {
    throw config::error(fmt::format("{}: {}: a file has no settings, only what SCHEME://... names",
                                    r.options.front().where, r.options.front().key));
  }
  std::vector<std::shared_ptr<source>> all;
  for (const auto& name : r.names) {
    auto one = open_one(name, r.options, log);
    if (!r.raw && is_zstd(*one)) one = std::make_shared<zstd_source>(std::move(one));
    all.push_back(std::move(one));
  }
  const bool diffs = !r.raw && is_diff(*all.front());
  if (diffs) return std::make_shared<diff_source>(std::move(all));
  if (all.size() == 1) return all.front();
  throw config::error(
      fmt::format("{} is no rbd diff; give one disk, or the diffs of one, the full one first",
                  all.front()->name()));
}

}  // namespace nbdstream::source
