# Read by cpack before it packs: without these it would leave the dependencies on other packages out, and say so in passing.
foreach(program dpkg-shlibdeps file)
  find_program(ARCA_HAS_${program} ${program})
  if(NOT ARCA_HAS_${program})
    message(FATAL_ERROR "Packages need ${program}: apt-get install dpkg-dev file")
  endif()
endforeach()
