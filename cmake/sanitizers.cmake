if(NBDSTREAM_SANITIZE)
  add_compile_options(-fsanitize=${NBDSTREAM_SANITIZE} -fno-sanitize-recover=undefined
                      -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${NBDSTREAM_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    # Its check of function pointers puts data before each function, which clang 14 cannot do for
    # the parts of a coroutine.
    add_compile_options(-fno-sanitize=function)
  elseif(NBDSTREAM_SANITIZE STREQUAL "thread")
    # Asio has fences, and gcc warns that ThreadSanitizer does not understand them.
    add_compile_options(-Wno-tsan)
  endif()
endif()

if(NBDSTREAM_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "NBDSTREAM_FUZZ needs clang")
  endif()
  # What is fuzzed tells the fuzzer where it has been.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
