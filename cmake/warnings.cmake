# nbdstream_warnings: an interface target that every target of the project links privately.
add_library(nbdstream_warnings INTERFACE)
target_compile_options(nbdstream_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wundef
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Woverloaded-virtual>
  $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes>)
if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Each source file looks like a header there.
  target_compile_options(nbdstream_warnings INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-Wno-subobject-linkage>)
endif()
if(NBDSTREAM_WERROR)
  target_compile_options(nbdstream_warnings INTERFACE -Werror)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Guesses of the optimizer, which sees std::optional and std::string in pieces.
    target_compile_options(nbdstream_warnings INTERFACE
      -Wno-error=maybe-uninitialized -Wno-error=stringop-overflow -Wno-error=restrict
      -Wno-error=array-bounds -Wno-error=dangling-pointer)
  endif()
endif()
