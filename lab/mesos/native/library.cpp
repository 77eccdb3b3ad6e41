#include "library.h"

#include <cxxabi.h>
#include <unistd.h>

#include <iostream>

extern "C" const abi::__class_type_info _ZTIN5flags9FlagsBaseE, _ZTIN7process11ProcessBaseE, _ZTI6Docker;

void quit(const string& message) {
  // In one piece: the library's threads may be writing, too.
  std::cerr << "EXIT with status 1: " + message + "\n";
  // Not exit(): the library's threads may be running, and would meet objects that are gone.
  _exit(EXIT_FAILURE);
}

static void expect(bool holds, const char* what) {
  if (!holds) quit(string("the layout of ") + what + " is not the one that this program was written for");
}

void checkLayouts() {
  static_assert(sizeof(Option<string>) == 40 && sizeof(Try<string>) == 80, "laid out like the library's");
  auto second = Duration::parse("1secs"), unitless = Duration::parse("15");
  expect(!second.isError() && second.get().nanoseconds == 1000000000, "Duration");
  expect(unitless.isError() && unitless.error().find("15") != string::npos, "Try");
  auto url = zookeeper::URL::parse("zk://user:password@host:2181/path");
  expect(!url.isError() && url.get().servers == "host:2181" && url.get().path == "/path", "URL");
  auto& login = url.get().authentication;
  expect(login.isSome() && login.get().scheme == "digest" && login.get().credentials == "user:password", "Authentication");
}

static void* base(void* object, const abi::__class_type_info& type) {
  struct Polymorphic {
    virtual ~Polymorphic() {}
  };
  void* found = object;
  if (!typeid(*static_cast<Polymorphic*>(object)).__do_upcast(&type, &found)) quit("an object has not the base that it should have");
  return found;
}

flags::FlagsBase* asFlags(void* object) { return static_cast<flags::FlagsBase*>(base(object, _ZTIN5flags9FlagsBaseE)); }

process::ProcessBase* asProcess(void* object) {
  return static_cast<process::ProcessBase*>(base(object, _ZTIN7process11ProcessBaseE));
}

Docker* asDocker(void* object) { return static_cast<Docker*>(base(object, _ZTI6Docker)); }

void runActor(void* actor) {
  const Duration forever{-1000000000};
  process::wait(process::spawn(asProcess(actor), false), forever);
}

void checkRoom(const char* room, size_t size, const char* type) {
  // The room was zeroed before: what is not zero any more belongs to the object.
  size_t used = size;
  while (used && !room[used - 1]) used--;
  if (used > size / 2) quit(string("not enough room for ") + type);
}
