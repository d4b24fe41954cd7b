# What Debian's own build flags switch on for programs that strangers talk to. Not beside
# sanitizers, which do more.
if(NBDSTREAM_HARDEN AND NOT NBDSTREAM_SANITIZE)
  set(optimized $<CONFIG:Release,RelWithDebInfo,MinSizeRel>)
  add_compile_options(
    "$<${optimized}:-fstack-protector-strong;-fstack-clash-protection;-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=2>")
  if(CMAKE_SYSTEM_PROCESSOR STREQUAL x86_64)
    add_compile_options($<${optimized}:-fcf-protection>)
  endif()
  add_link_options("$<${optimized}:-Wl,-z,relro;-Wl,-z,now>")
  include(CheckPIESupported)
  check_pie_supported()
endif()
