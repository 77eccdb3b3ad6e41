// Objects of the library: making them, finding their bases, and ending with Mesos' own words when they can't be made.
#pragma once

#include <cstdlib>
#include <typeinfo>
#include <utility>

#include "layouts.h"

// Ends the program as Mesos' EXIT macro does: the sentence on the standard error, status 1.
[[noreturn]] void quit(const string& message);

// Ends the program when the layouts at the top of layouts.h are not those of the library.
void checkLayouts();

// Bases of objects of unknown layout, found through the objects' own type information.
flags::FlagsBase* asFlags(void* object);
process::ProcessBase* asProcess(void* object);
Docker* asDocker(void* object);

// Starts an actor of the library and returns when it has ended.
void runActor(void* actor);

// Ends the program when more than half of an object's room is in use.
void checkRoom(const char* room, size_t size, const char* type);

// The value, or the end with the library's reason: "Failed to create a master contender: ...".
template <typename T>
T need(const Try<T>& result, const string& what) {
  if (result.isError()) quit("Failed to create " + what + ": " + result.error());
  return result.get();
}

// An object of the library, for as long as the program runs.
template <typename T, typename... Arguments>
T* make(Arguments&&... arguments) {
  char* room = static_cast<char*>(calloc(1, sizeof(T)));
  if (!room) quit("no memory");
  T* made = new (room) T(std::forward<Arguments>(arguments)...);
  checkRoom(room, sizeof(T), typeid(T).name());
  return made;
}
