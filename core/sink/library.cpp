// SPDX-License-Identifier: BSD-3-Clause
#include "sink/library.hpp"

#include "sink/module.hpp"

#include <dlfcn.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <filesystem>

namespace nbdstream::sink {

boost::dll::shared_library load_library(const std::string& path) {
  namespace dll = boost::dll;
  if (!std::filesystem::exists(path)) {
    throw load_error(
        fmt::format("{}: there is no such file; --list-sinks shows what there is", path));
  }
  // RTLD_NODELETE: threads and descriptors of a module may outlive every handle to it.
  const auto mode = static_cast<dll::load_mode::type>(dll::load_mode::rtld_now |
                                                      dll::load_mode::rtld_local | RTLD_NODELETE);
  boost::dll::fs::error_code error;
  dll::shared_library library;
  library.load(path, error, mode);
  if (error) {
    // Boost.DLL's code says nothing of use; what dlopen() itself says names the file and the fault.
    ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    const char* const why = ::dlerror();
    throw load_error(
        fmt::format("{}: not a loadable sink module ({})", path, why ? why : error.message()));
  }
  return library;
}

std::vector<nbdstream_option> copy_options(const nbdstream_option* options, std::uint32_t count,
                                           std::uint32_t size) {
  std::vector<nbdstream_option> copies(count);
  const auto known = std::min<std::size_t>(size, sizeof(nbdstream_option));
  const auto* at = reinterpret_cast<const std::byte*>(options);
  for (auto& option : copies) {
    std::memcpy(&option, at, known);
    at += size;
  }
  return copies;
}

}  // namespace nbdstream::sink
