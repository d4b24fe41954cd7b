// SPDX-License-Identifier: BSD-3-Clause
//
// The module as a source: an object that `nbdstream serve s3://BUCKET/KEY` reads.
#include <nbdstream/source.h>

#include <cerrno>
#include <memory>
#include <nbdstream/sink.hpp>
#include <new>
#include <utility>

#include "object_reader.hpp"
#include "settings.hpp"

namespace nbdstream::s3 {
namespace {

/// A request of a few bytes takes as long as one of this size.
constexpr std::uint32_t worth_a_request = 1 << 20;  // bytes

/// An open object, and the host that it was opened for.
struct opened {
  opened(sink_host h, settings s)
      : host(h), reader(std::move(s), [h](nbdstream_log_level level, const std::string& text) {
          h.log(level, text);
        }) {}

  sink_host host;
  object_reader reader;
};

template <class Call>
int attempt(const sink_host& host, Call call) noexcept {
  try {
    call();
    return 0;
  } catch (const sink_error& e) {
    host.explain(e.what());
    return -e.error_number();
  } catch (const std::bad_alloc&) {
    return -ENOMEM;
  } catch (const std::exception& e) {
    host.explain(e.what());
    return -EIO;
  }
}

int open(const nbdstream_host* host, void** source, nbdstream_source_info* info) noexcept {
  return attempt(sink_host(host), [&] {
    prepare_transports();
    auto made = std::make_unique<opened>(sink_host(host), read_source_settings(sink_host(host)));
    info->size = made->reader.size();
    info->block = worth_a_request;
    *source = made.release();
  });
}

int read(void* source, std::uint64_t offset, void* into, std::size_t length) noexcept {
  auto& self = *static_cast<opened*>(source);
  return attempt(self.host, [&] {
    self.reader.read(offset, {static_cast<std::byte*>(into), length});
  });
}

void interrupt(void* source) noexcept {
  static_cast<opened*>(source)->reader.interrupt();
}

void close(void* source) noexcept {
  delete static_cast<opened*>(source);
}

constexpr auto options = source_options();

constexpr nbdstream_source_table table{.struct_size = sizeof(nbdstream_source_table),
                                       .abi_minor = NBDSTREAM_SOURCE_ABI_MINOR,
                                       .name = "s3",
                                       .description = "Read an object of an S3 server by ranges",
                                       .version = "1.0",
                                       .options = options.data(),
                                       .option_count = options.size(),
                                       .option_size = sizeof(nbdstream_option),
                                       .open = open,
                                       .read = read,
                                       .interrupt = interrupt,
                                       .close = close};

}  // namespace
}  // namespace nbdstream::s3

const nbdstream_source_table* NBDSTREAM_SOURCE_ENTRY() {
  return &nbdstream::s3::table;
}
