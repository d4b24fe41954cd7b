// SPDX-License-Identifier: BSD-3-Clause
#ifndef NBDSTREAM_SOURCE_MODULE_SOURCE_HPP
#define NBDSTREAM_SOURCE_MODULE_SOURCE_HPP

#include "config/config.hpp"
#include "log/log.hpp"
#include "source/frame_cache.hpp"
#include "source/source.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace nbdstream::source {

/// The module that reads `name`, where that is written SCHEME://...; else empty.
[[nodiscard]] std::string_view scheme_of(std::string_view name) noexcept;

/// Opens what `url` names by the module of its scheme, which has the entry point of source.h.
/// `options` are those of --option; `blocks` keeps what was used last, where the module reads in
/// blocks. Blocks. `log` is borrowed. Throws config::error or sink::load_error, one line for the
/// user.
[[nodiscard]] std::shared_ptr<source> open_by_module(
    const std::string& url, const std::vector<config::sink_setting>& options,
    std::shared_ptr<frame_cache> blocks, log::logger& log);

}  // namespace nbdstream::source
#endif
