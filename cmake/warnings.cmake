# nbdstream_warnings: an interface target that every target of the project links privately.
add_library(nbdstream_warnings INTERFACE)
target_compile_options(nbdstream_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wundef
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Woverloaded-virtual>
  $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes>)
if(NBDSTREAM_WERROR)
  target_compile_options(nbdstream_warnings INTERFACE -Werror)
endif()
