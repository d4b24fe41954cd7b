// SPDX-License-Identifier: BSD-3-Clause
//
// nbdstream/sink.hpp - writes the table of sink.h for a plain C++20 class.
//
//   class my_sink {
//    public:
//     static constexpr nbdstream::sink_description about{.name = "mine", .description = "..."};
//     static constexpr std::array<nbdstream_option, 1> options{...};      // may be left out
//     explicit my_sink(nbdstream::sink_host host);                        // create
//     int open(const nbdstream_stream& stream);                           // required
//     std::int64_t write(std::span<const std::byte> data);                // this one or native_fd
//     int native_fd(std::uint32_t& fd_flags);
//     std::int64_t zero(std::uint64_t length);                            // optional, as are
//     int flush();                                                        // these
//     int wait_for(nbdstream_wait& wait);
//     void interrupt() noexcept;
//     int commit(std::uint64_t length);                                   // required
//     int abort() noexcept;                                               // required
//   };
//   NBDSTREAM_EXPORT_SINK(my_sink)
//
// Each member does what the function of the same name in sink.h does, with its results: 0 or more,
// -errno, -EAGAIN. A member may throw instead: a sink_error becomes its -errno and its text is
// explained to the user, a std::system_error likewise, bad_alloc -ENOMEM, anything else -EIO.
// An optional member that is absent becomes NULL in the table.
#ifndef NBDSTREAM_SINK_HPP
#define NBDSTREAM_SINK_HPP

#include <nbdstream/sink.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

namespace nbdstream {

/// What a module says of itself: the first members of nbdstream_sink_table.
struct sink_description {
  const char* name;
  const char* description;
  const char* version = "1.0";
  std::uint32_t flags = 0;     ///< enum nbdstream_sink_flags
  std::uint32_t blocking = 0;  ///< enum nbdstream_sink_blocking
};

/// Thrown by a member to fail the call with an errno and a sentence for the user.
class sink_error : public std::runtime_error {
 public:
  sink_error(int error_number, const std::string& sentence)
      : std::runtime_error(sentence), error_number_(error_number) {}
  [[nodiscard]] int error_number() const noexcept { return error_number_; }

 private:
  int error_number_;
};

/// The host as a module sees it; a copyable reference, valid until the sink is destroyed.
class sink_host {
 public:
  explicit sink_host(const nbdstream_host* host) noexcept : host_(host) {}

  /// Any thread.
  void log(nbdstream_log_level level, const std::string& text) const {
    host_->log(host_, level, text.c_str());
  }
  /// Only from within a call that is about to return -errno.
  void explain(const char* sentence) const noexcept { host_->explain(host_, sentence); }

  /// The following: only in the sink's constructor; the text outlives the sink.
  [[nodiscard]] std::optional<std::string_view> text(const char* option) const {
    const nbdstream_setting* setting = host_->setting(host_, option);
    return setting ? std::optional<std::string_view>(setting->text) : std::nullopt;
  }
  [[nodiscard]] std::optional<std::int64_t> number(const char* option) const {
    const nbdstream_setting* setting = host_->setting(host_, option);
    return setting ? std::optional<std::int64_t>(setting->number) : std::nullopt;
  }

 private:
  const nbdstream_host* host_;
};

namespace detail {

/// The sink together with the host to which its exceptions are explained.
template <class Sink>
struct sink_instance {
  sink_host host;
  Sink sink;
};

/// Runs a member; no exception leaves it.
template <class Result = int, class Call>
Result guarded(const sink_host& host, Call&& call) noexcept {
  try {
    return static_cast<Result>(std::forward<Call>(call)());
  } catch (const sink_error& error) {
    host.explain(error.what());
    return -error.error_number();
  } catch (const std::system_error& error) {
    host.explain(error.what());
    return error.code().value() > 0 ? -error.code().value() : -EIO;
  } catch (const std::bad_alloc&) {
    return -ENOMEM;
  } catch (const std::exception& error) {
    host.explain(error.what());
    return -EIO;
  } catch (...) {
    return -EIO;
  }
}

/// The C functions of the table for one class.
template <class Sink>
struct trampolines {
  using instance = sink_instance<Sink>;
  static instance& of(void* self) noexcept { return *static_cast<instance*>(self); }

  static int create(const nbdstream_host* host, void** out) {
    const sink_host view(host);
    return guarded(view, [&] {
      *out = new instance{view, Sink(view)};
      return 0;
    });
  }
  static void destroy(void* self) { delete static_cast<instance*>(self); }
  static int open(void* self, const nbdstream_stream* stream) {
    return guarded(of(self).host, [&] { return of(self).sink.open(*stream); });
  }
  static std::int64_t write(void* self, const void* data, std::size_t length) {
    return guarded<std::int64_t>(of(self).host, [&] {
      return of(self).sink.write(std::span(static_cast<const std::byte*>(data), length));
    });
  }
  static std::int64_t zero(void* self, std::uint64_t length) {
    return guarded<std::int64_t>(of(self).host, [&] { return of(self).sink.zero(length); });
  }
  static int flush(void* self) {
    return guarded(of(self).host, [&] { return of(self).sink.flush(); });
  }
  static int native_fd(void* self, std::uint32_t* fd_flags) {
    return guarded(of(self).host, [&] { return of(self).sink.native_fd(*fd_flags); });
  }
  static int wait_for(void* self, nbdstream_wait* wait) {
    return guarded(of(self).host, [&] { return of(self).sink.wait_for(*wait); });
  }
  static int commit(void* self, std::uint64_t length) {
    return guarded(of(self).host, [&] { return of(self).sink.commit(length); });
  }
  static int abort(void* self) { return of(self).sink.abort(); }
  static void interrupt(void* self) { of(self).sink.interrupt(); }
};

template <class Sink>
constexpr nbdstream_sink_table make_table() noexcept {
  using c = trampolines<Sink>;
  nbdstream_sink_table table{};
  table.struct_size = sizeof table;
  table.abi_minor = NBDSTREAM_SINK_ABI_MINOR;
  table.name = Sink::about.name;
  table.description = Sink::about.description;
  table.version = Sink::about.version;
  table.flags = Sink::about.flags;
  table.blocking = Sink::about.blocking;
  table.option_size = sizeof(nbdstream_option);
  if constexpr (requires { Sink::options.size(); }) {
    table.options = Sink::options.data();
    table.option_count = static_cast<std::uint32_t>(Sink::options.size());
  }
  table.create = c::create;
  table.destroy = c::destroy;
  table.open = c::open;
  table.commit = c::commit;
  table.abort = c::abort;
  if constexpr (requires(Sink & s) { s.write(std::span<const std::byte>()); })
    table.write = c::write;
  if constexpr (requires(Sink & s) { s.zero(std::uint64_t{}); }) table.zero = c::zero;
  if constexpr (requires(Sink & s) { s.flush(); }) table.flush = c::flush;
  if constexpr (requires(Sink & s, std::uint32_t & f) { s.native_fd(f); })
    table.native_fd = c::native_fd;
  if constexpr (requires(Sink & s, nbdstream_wait & w) { s.wait_for(w); })
    table.wait_for = c::wait_for;
  if constexpr (requires(Sink & s) { s.interrupt(); }) table.interrupt = c::interrupt;
  static_assert(
      requires(Sink & s) { s.write(std::span<const std::byte>()); } ||
          requires(Sink & s, std::uint32_t & f) { s.native_fd(f); },
      "a sink has write, or native_fd, or both");
  return table;
}

}  // namespace detail
}  // namespace nbdstream

/// Defines the module's entry point for `Sink`; once in a module, at namespace scope.
#define NBDSTREAM_EXPORT_SINK(Sink)                                                      \
  extern "C" NBDSTREAM_SINK_PUBLIC const nbdstream_sink_table* NBDSTREAM_SINK_ENTRY() {  \
    static constexpr nbdstream_sink_table table = nbdstream::detail::make_table<Sink>(); \
    return &table;                                                                       \
  }

#endif
