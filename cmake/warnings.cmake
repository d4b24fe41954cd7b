# nbdstream_warnings: an interface target that every target of the project links privately.
add_library(nbdstream_warnings INTERFACE)
target_compile_options(nbdstream_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wundef
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Woverloaded-virtual>
  $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes>)
if(CMAKE_UNITY_BUILD)
  # Names of one file may shadow those of another; each source file looks like a header. `./dev lint`
  # sees single files.
  target_compile_options(nbdstream_warnings INTERFACE
    -Wno-shadow $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-subobject-linkage>)
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
