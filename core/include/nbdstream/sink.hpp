// SPDX-License-Identifier: BSD-3-Clause
//
// nbdstream/sink.hpp - makes the table of sink.h from a C++20 class.
//
//   struct my_sink {
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
//     int check();
//     int commit(std::uint64_t length);                                   // required
//     int abort() noexcept;                                               // required
//   };
//   NBDSTREAM_EXPORT_SINK(my_sink)
//
// Each member does what the function of the same name in sink.h does, with its results: 0 or more,
// -errno, -EAGAIN. A member may throw instead. A sink_error or a std::system_error becomes its
// -errno, and its text is shown to the user; bad_alloc becomes -ENOMEM, any other exception -EIO.
// An optional member that is absent, or not public, becomes NULL in the table. A sink is neither
// copied nor moved.
#ifndef NBDSTREAM_SINK_HPP
#define NBDSTREAM_SINK_HPP

#if __cplusplus < 202002L
#error "nbdstream/sink.hpp needs C++20: -std=c++20"
#endif
#include <nbdstream/sink.h>

#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
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

/// The description of a module: the first members of nbdstream_sink_table.
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

/// The host of a module: a reference that can be copied, valid until the sink is destroyed.
class sink_host {
 public:
  explicit sink_host(const nbdstream_host* host) noexcept : host_(host) {}

  /// Any thread.
  void log(nbdstream_log_level level, const std::string& text) const {
    host_->log(host_, level, text.c_str());
  }
  /// Only from within a call that is about to return -errno.
  void explain(const char* sentence) const noexcept { host_->explain(host_, sentence); }

  /// result, progress and wake do nothing if the host is older than 1.1.
  /// Only from within commit.
  void result(const char* key, const std::string& value) const noexcept {
    if (has(&nbdstream_host::result)) host_->result(host_, key, value.c_str());
  }
  /// `length` bytes are safe on the other side. Any thread, while a stream is open.
  void progress(std::uint64_t length) const noexcept {
    if (has(&nbdstream_host::progress)) host_->progress(host_, length);
  }
  /// Makes the host repeat a call that returned -EAGAIN, or call check(). Any thread.
  void wake() const noexcept {
    if (has(&nbdstream_host::wake)) host_->wake(host_);
  }

  /// The value of an option; nothing if it has neither a value nor a default. Only in the sink's
  /// constructor. The text is valid until the sink is destroyed.
  [[nodiscard]] std::optional<std::string_view> text(const char* option) const {
    const nbdstream_setting* setting = host_->setting(host_, option);
    return setting ? std::optional<std::string_view>(setting->text) : std::nullopt;
  }
  [[nodiscard]] std::optional<std::int64_t> number(const char* option) const {
    const nbdstream_setting* setting = host_->setting(host_, option);
    return setting ? std::optional<std::int64_t>(setting->number) : std::nullopt;
  }

 private:
  /// Whether the host has the function: an older host may not.
  template <class Function>
  [[nodiscard]] bool has(Function* nbdstream_host::*function) const noexcept {
    const auto* const end = reinterpret_cast<const char*>(&(host_->*function) + 1);
    return end - reinterpret_cast<const char*>(host_) <= std::ptrdiff_t{host_->struct_size} &&
           host_->*function;
  }

  const nbdstream_host* host_;
};

namespace detail {

/// The errno of an error code; EIO if the code is not an errno (of iostreams, of a resolver).
inline int errno_of(const std::error_code& code) noexcept {
  const std::error_condition condition = code.default_error_condition();
  const auto& kind = condition.category();
  const bool is_errno = kind == std::generic_category() || kind == std::system_category();
  return is_errno ? condition.value() : EIO;
}

/// The result of a call for an exception. It is explained to the user unless the call is repeated.
inline int failed(const sink_host& host, int error_number, const char* sentence) noexcept {
  if (error_number <= 0) error_number = EIO;
  if (error_number != EAGAIN) host.explain(sentence);
  return -error_number;
}

/// Runs a member, and turns exceptions into results.
template <class Result = int, class Call>
Result guarded(const sink_host& host, Call&& call) noexcept {
  try {
    return static_cast<Result>(std::forward<Call>(call)());
  } catch (const sink_error& error) {
    return failed(host, error.error_number(), error.what());
  } catch (const std::system_error& error) {
    return failed(host, errno_of(error.code()), error.what());
  } catch (const std::bad_alloc&) {
    return -ENOMEM;
  } catch (const std::exception& error) {
    return failed(host, EIO, error.what());
  } catch (...) {
    return -EIO;
  }
}

// Which members a class has. Each must have exactly this type of result: bool, or an unsigned
// count, would be misread.
template <class Sink>
struct has {
  static constexpr bool about = requires {
    { Sink::about } -> std::convertible_to<const sink_description&>;
  };
  static constexpr bool options = requires {
    { std::data(Sink::options) } -> std::convertible_to<const nbdstream_option*>;
  };
  static constexpr bool open = requires(Sink & s, const nbdstream_stream& stream) {
    { s.open(stream) } -> std::same_as<int>;
  };
  static constexpr bool write = requires(Sink & s, std::span<const std::byte> data) {
    { s.write(data) } -> std::signed_integral;
  };
  static constexpr bool native_fd = requires(Sink & s, std::uint32_t& flags) {
    { s.native_fd(flags) } -> std::same_as<int>;
  };
  static constexpr bool zero = requires(Sink & s, std::uint64_t length) {
    { s.zero(length) } -> std::signed_integral;
  };
  static constexpr bool flush = requires(Sink & s) {
    { s.flush() } -> std::same_as<int>;
  };
  static constexpr bool wait_for = requires(Sink & s, nbdstream_wait& wait) {
    { s.wait_for(wait) } -> std::same_as<int>;
  };
  static constexpr bool commit = requires(Sink & s, std::uint64_t length) {
    { s.commit(length) } -> std::same_as<int>;
  };
  static constexpr bool abort = requires(Sink & s) {
    { s.abort() } -> std::same_as<int>;
  };
  static constexpr bool interrupt = requires(Sink & s) {
    { s.interrupt() } -> std::same_as<void>;
  };
  static constexpr bool check = requires(Sink & s) {
    { s.check() } -> std::same_as<int>;
  };
};

/// Whether `Sink` can be exported. If not, the compiler prints what is missing, in these words.
template <class Sink>
constexpr bool is_sink() noexcept {
  using h = has<Sink>;
  static_assert(h::about, "a sink needs: static constexpr nbdstream::sink_description about{...};");
  static_assert(
      !requires { Sink::options; } || h::options,
      "options must be: static constexpr std::array<nbdstream_option, N> options{...};");
  static_assert(std::is_constructible_v<Sink, sink_host>,
                "a sink needs a public constructor: explicit my_sink(nbdstream::sink_host);");
  static_assert(std::is_nothrow_destructible_v<Sink>, "a sink's destructor must not throw");
  static_assert(h::open, "a sink needs, public: int open(const nbdstream_stream&);");
  static_assert(h::commit, "a sink needs, public: int commit(std::uint64_t length);");
  static_assert(h::abort, "a sink needs, public: int abort() noexcept;");
  static_assert(h::write || h::native_fd, "a sink needs, public, write, or native_fd, or both");
  static_assert(
      !requires { &Sink::write; } || h::write,
      "write must be: std::int64_t write(std::span<const std::byte> data);");
  static_assert(
      !requires { &Sink::native_fd; } || h::native_fd,
      "native_fd must be: int native_fd(std::uint32_t& fd_flags);");
  static_assert(
      !requires { &Sink::zero; } || h::zero,
      "zero must be: std::int64_t zero(std::uint64_t length);");
  static_assert(
      !requires { &Sink::flush; } || h::flush, "flush must be: int flush();");
  static_assert(
      !requires { &Sink::wait_for; } || h::wait_for,
      "wait_for must be: int wait_for(nbdstream_wait& wait);");
  static_assert(
      !requires { &Sink::interrupt; } || h::interrupt,
      "interrupt must be: void interrupt() noexcept;");
  static_assert(
      !requires { &Sink::check; } || h::check, "check must be: int check();");
  return h::about && std::is_constructible_v<Sink, sink_host> && h::open && h::commit && h::abort;
}

/// The C functions of the table for one class.
template <class Sink>
struct trampolines {
  /// A sink, with its host, to which exceptions are explained.
  struct instance {
    sink_host host;
    Sink sink;
  };
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
  static int abort(void* self) {
    return guarded(of(self).host, [&] { return of(self).sink.abort(); });
  }
  static void interrupt(void* self) noexcept {
    try {
      of(self).sink.interrupt();
    } catch (...) {  // NOLINT(bugprone-empty-catch): the interrupted call explains it
    }
  }
  static int check(void* self) {
    return guarded(of(self).host, [&] { return of(self).sink.check(); });
  }
};

template <class Sink>
constexpr nbdstream_sink_table make_table() noexcept {
  using c = trampolines<Sink>;
  using h = has<Sink>;
  nbdstream_sink_table table{};
  if constexpr (is_sink<Sink>()) {
    table.struct_size = sizeof table;
    table.abi_minor = NBDSTREAM_SINK_ABI_MINOR;
    table.name = Sink::about.name;
    table.description = Sink::about.description;
    table.version = Sink::about.version;
    table.flags = Sink::about.flags;
    table.blocking = Sink::about.blocking;
    table.option_size = sizeof(nbdstream_option);
    table.create = c::create;
    table.destroy = c::destroy;
    table.open = c::open;
    table.commit = c::commit;
    table.abort = c::abort;
    if constexpr (h::options) {
      table.options = std::data(Sink::options);
      table.option_count = static_cast<std::uint32_t>(std::size(Sink::options));
    }
    if constexpr (h::write) table.write = c::write;
    if constexpr (h::zero) table.zero = c::zero;
    if constexpr (h::flush) table.flush = c::flush;
    if constexpr (h::native_fd) table.native_fd = c::native_fd;
    if constexpr (h::wait_for) table.wait_for = c::wait_for;
    if constexpr (h::interrupt) table.interrupt = c::interrupt;
    if constexpr (h::check) table.check = c::check;
  }
  return table;
}

}  // namespace detail
}  // namespace nbdstream

/// Defines the module's entry point for a class; once in a module, at namespace scope.
#define NBDSTREAM_EXPORT_SINK(...)                                                              \
  extern "C" NBDSTREAM_SINK_PUBLIC const nbdstream_sink_table* NBDSTREAM_SINK_ENTRY() {         \
    static constexpr nbdstream_sink_table table = nbdstream::detail::make_table<__VA_ARGS__>(); \
    return &table;                                                                              \
  }

#endif
