// SPDX-License-Identifier: BSD-3-Clause
#include "transport.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <nbdstream/sink.hpp>

namespace nbdstream::s3 {
namespace {

constexpr std::size_t most_headers = 200;
constexpr int longest_nap = 1000;  // milliseconds; what stops a request wakes it before

struct list_deleter {
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};
using header_list = std::unique_ptr<curl_slist, list_deleter>;

/// What the callbacks of a request use.
struct running {
  const http_request& request;
  reply answer;
  std::size_t sent = 0;
};

std::size_t give_body(char* to, std::size_t size, std::size_t count, void* data) noexcept {
  auto& r = *static_cast<running*>(data);
  const payload& body = r.request.body;
  const std::size_t n = std::min(size * count, body.size - r.sent);
  if (n == 0) return 0;
  if (body.zeroes()) {
    std::memset(to, 0, n);
  } else {
    std::memcpy(to, body.bytes.get() + r.sent, n);
  }
  r.sent += n;
  return n;
}

/// A connection that was kept turned out to be closed: curl sends the body again by another one.
int rewind_body(void* data, curl_off_t offset, int origin) noexcept {
  auto& r = *static_cast<running*>(data);
  if (origin != SEEK_SET || offset < 0 || static_cast<std::size_t>(offset) > r.request.body.size)
    return CURL_SEEKFUNC_FAIL;
  r.sent = static_cast<std::size_t>(offset);
  return CURL_SEEKFUNC_OK;
}

std::size_t take_body(char* from, std::size_t size, std::size_t count, void* data) noexcept try {
  auto& r = *static_cast<running*>(data);
  const std::size_t n = size * count;
  if (r.answer.body.size() + n > r.request.longest_answer) return 0;
  r.answer.body.append(from, n);
  return n;
} catch (...) {
  return 0;
}

std::size_t take_header(char* from, std::size_t size, std::size_t count, void* data) noexcept try {
  auto& r = *static_cast<running*>(data);
  std::string_view line(from, size * count);
  if (line.starts_with("HTTP/")) r.answer.headers.clear();  // behind a "100 Continue"
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return size * count;
  if (r.answer.headers.size() >= most_headers) return 0;
  std::string name(line.substr(0, colon));
  std::ranges::transform(name, name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  const std::string_view blank = " \t\r\n";
  line.remove_prefix(colon + 1);
  line.remove_prefix(std::min(line.find_first_not_of(blank), line.size()));
  line = line.substr(0, line.find_last_not_of(blank) + 1);
  r.answer.headers.emplace_back(std::move(name), line);
  return size * count;
} catch (...) {
  return 0;
}

long milliseconds(duration d) {
  return static_cast<long>(std::chrono::ceil<std::chrono::milliseconds>(d).count());
}

bool is_about_trust(CURLcode code) noexcept {
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS: return true;
    default: return false;
  }
}

}  // namespace

struct transport::handles {
  CURLM* multi = curl_multi_init();
  CURL* easy = curl_easy_init();
  std::array<char, CURL_ERROR_SIZE> error{};

  handles() = default;
  handles(const handles&) = delete;
  handles& operator=(const handles&) = delete;
  ~handles() {
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
  }

  template <class Value>
  void set(CURLoption option, Value value) {
    const CURLcode code = curl_easy_setopt(easy, option, value);
    if (code == CURLE_OK) return;
    throw sink_error(ENOTSUP,
                     std::string("libcurl does not take an option: ") + curl_easy_strerror(code));
  }

  /// Whether the whole request may have arrived.
  [[nodiscard]] bool all_sent(const running& r) const noexcept {
    curl_off_t connected = 0;  // microseconds from the beginning until a request could be sent
    curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &connected);
    return connected > 0 && r.sent == r.request.body.size;
  }

  void describe(running& r, const header_list& headers, const std::string& ca_file);
  CURLcode run(const running& r, const stop_question& stopped, bool& was_stopped);
};

void transport::handles::describe(running& r, const header_list& headers,
                                  const std::string& ca_file) {
  const http_request& request = r.request;
  curl_easy_reset(easy);
  error.front() = '\0';
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_HTTPHEADER, headers.get());
  set(CURLOPT_ERRORBUFFER, error.data());
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_PATH_AS_IS, 1L);
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!ca_file.empty()) set(CURLOPT_CAINFO, ca_file.c_str());
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_TCP_KEEPIDLE, 30L);
  set(CURLOPT_TCP_KEEPINTVL, 30L);
  set(CURLOPT_MAXAGE_CONN, 60L);
  set(CURLOPT_UPLOAD_BUFFERSIZE, 512L << 10);
  if (request.direct) set(CURLOPT_NOPROXY, "*");
  set(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(request.connect));
  set(CURLOPT_TIMEOUT_MS, milliseconds(request.total));
  if (request.stall > duration::zero()) {
    set(CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(CURLOPT_LOW_SPEED_TIME, std::max(1L, milliseconds(request.stall) / 1000));
  }
  if (request.method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
  } else if (request.method == "PUT" || request.method == "POST") {
    set(CURLOPT_UPLOAD, 1L);
    set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.body.size));
    set(CURLOPT_READFUNCTION, give_body);
    set(CURLOPT_READDATA, &r);
    set(CURLOPT_SEEKFUNCTION, rewind_body);
    set(CURLOPT_SEEKDATA, &r);
  }
  if (request.method != "HEAD") set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  set(CURLOPT_WRITEFUNCTION, take_body);
  set(CURLOPT_WRITEDATA, &r);
  set(CURLOPT_HEADERFUNCTION, take_header);
  set(CURLOPT_HEADERDATA, &r);
}

CURLcode transport::handles::run(const running& r, const stop_question& stopped,
                                 bool& was_stopped) {
  if (const CURLMcode code = curl_multi_add_handle(multi, easy); code != CURLM_OK)
    throw sink_error(EIO, std::string("libcurl: ") + curl_multi_strerror(code));
  CURLcode result = CURLE_OK;
  int count = 0;
  do {
    if (curl_multi_perform(multi, &count) != CURLM_OK) result = CURLE_FAILED_INIT;
    was_stopped = count > 0 && stopped(all_sent(r));
    if (count > 0 && !was_stopped) (void)curl_multi_poll(multi, nullptr, 0, longest_nap, nullptr);
  } while (count > 0 && !was_stopped && result == CURLE_OK);
  int left = 0;
  while (const CURLMsg* const message = curl_multi_info_read(multi, &left))
    if (message->msg == CURLMSG_DONE && result == CURLE_OK) result = message->data.result;
  curl_multi_remove_handle(multi, easy);
  return result;
}

transport::transport(std::string ca_file)
    : handles_(std::make_unique<handles>()), ca_file_(std::move(ca_file)) {
  if (!handles_->multi || !handles_->easy) throw std::bad_alloc();
}

transport::~transport() = default;

void transport::wake() noexcept {
  (void)curl_multi_wakeup(handles_->multi);
}

void transport::close() noexcept {
  curl_multi_cleanup(handles_->multi);
  handles_->multi = curl_multi_init();  // without one the next request fails
}

exchange transport::perform(const http_request& request, const stop_question& stopped) {
  header_list headers;
  for (const auto& [name, value] : request.headers) {
    // Of a header without a value curl wants to see a semicolon.
    std::string line = name;
    line.append(value.empty() ? ";" : ": ").append(value);
    curl_slist* const longer = curl_slist_append(headers.get(), line.c_str());
    if (!longer) throw std::bad_alloc();
    (void)headers.release();
    headers.reset(longer);
  }
  running r{request, {}, 0};
  handles_->describe(r, headers, ca_file_);
  bool was_stopped = false;
  const CURLcode code = handles_->run(r, stopped, was_stopped);
  exchange out;
  out.sent = handles_->all_sent(r);
  if (was_stopped) {
    out.what = exchange::kind::stopped;
    out.why = "it was stopped";
    return out;
  }
  long status = 0;
  curl_easy_getinfo(handles_->easy, CURLINFO_RESPONSE_CODE, &status);
  r.answer.status = static_cast<int>(status);
  out.answer = std::move(r.answer);
  if (code == CURLE_OK && status > 0) {
    out.what = exchange::kind::answered;
    return out;
  }
  out.what = is_about_trust(code) ? exchange::kind::untrusted : exchange::kind::unanswered;
  out.why = handles_->error.front() != '\0' ? handles_->error.data() : curl_easy_strerror(code);
  std::erase_if(out.why, [](char c) { return static_cast<unsigned char>(c) < ' '; });
  return out;
}

void prepare_transports() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (code != CURLE_OK)
    throw sink_error(EIO, std::string("libcurl cannot be used: ") + curl_easy_strerror(code));
}

}  // namespace nbdstream::s3
