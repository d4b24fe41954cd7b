// SPDX-License-Identifier: BSD-3-Clause
#include "conformance/symbols.hpp"

#include <elf.h>
#include <link.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <span>
#include <string_view>

namespace nbdstream::conformance {
namespace {

/// Structures of a file that may lie about its own lengths.
class image {
 public:
  explicit image(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(file), {});
  }

  template <class T>
  [[nodiscard]] std::optional<T> at(std::uint64_t offset) const {
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return value;
  }
  [[nodiscard]] std::string text(std::uint64_t offset) const {
    if (offset >= bytes_.size()) return {};
    const auto rest = std::string_view(bytes_).substr(offset);
    return std::string(rest.substr(0, rest.find('\0')));
  }

 private:
  std::string bytes_;
};

using header = ElfW(Ehdr);
using section = ElfW(Shdr);
using symbol = ElfW(Sym);

std::optional<section> section_at(const image& file, const header& h, std::uint32_t index) {
  return file.at<section>(h.e_shoff + std::uint64_t{index} * sizeof(section));
}

bool is_for_others(const symbol& s) {
  const auto binding = s.st_info >> 4;
  const auto visibility = s.st_other & 3;
  return s.st_shndx != SHN_UNDEF && s.st_shndx != SHN_ABS && binding != STB_LOCAL &&
         (visibility == STV_DEFAULT || visibility == STV_PROTECTED);
}

}  // namespace

std::optional<std::vector<std::string>> exported_symbols(const std::string& path) {
  const image file(path);
  const auto h = file.at<header>(0);
  constexpr unsigned char word = sizeof(void*) == 8 ? ELFCLASS64 : ELFCLASS32;
  if (!h || std::memcmp(h->e_ident, ELFMAG, SELFMAG) != 0 || h->e_ident[EI_CLASS] != word)
    return std::nullopt;
  for (std::uint32_t i = 0; i < h->e_shnum; ++i) {
    const auto table = section_at(file, *h, i);
    if (!table || table->sh_type != SHT_DYNSYM) continue;
    const auto strings = section_at(file, *h, table->sh_link);
    if (!strings) return std::nullopt;
    std::vector<std::string> names;
    for (std::uint64_t at = 0; at + sizeof(symbol) <= table->sh_size; at += sizeof(symbol)) {
      const auto s = file.at<symbol>(table->sh_offset + at);
      if (!s) return std::nullopt;
      if (is_for_others(*s)) names.push_back(file.text(strings->sh_offset + s->st_name));
    }
    return names;
  }
  return std::nullopt;
}

}  // namespace nbdstream::conformance
