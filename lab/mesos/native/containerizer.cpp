// mesos-containerizer: the subcommands that an agent runs to start a container.
#include <stdio.h>
#include <sys/mount.h>

#include "library.h"
#include "programs.h"

using namespace mesos::internal::slave;

extern "C" void* _ZTVN5mesos8internal5slave24MesosContainerizerLaunchE[];
extern "C" void* _ZTVN5mesos8internal5slave23NetworkCniIsolatorSetupE[];

// Where a subcommand's getFlags() stands among its virtual functions: behind the type, and two destructors.
enum { FIRST_FUNCTION = 2, GET_FLAGS = 3 };

// A subcommand of the library, whose own constructor is in no library: {virtual functions, name, FlagsBase, Flags}.
template <typename Command>
struct Laid {
  void** functions;
  string name;
  char base[184];
  typename Command::Flags flags;
};

template <typename Command>
static int subcommand(void** functions, const Arguments& arguments) {
  using Object = Laid<Command>;
  auto* object = static_cast<Object*>(calloc(1, sizeof(Object)));
  if (!object) quit("no memory");
  object->functions = functions + FIRST_FUNCTION;
  new (&object->name) string(arguments.values[1]);
  new (&object->flags) typename Command::Flags();
  flags::FlagsBase* flags = asFlags(&object->flags);
  // The library says itself where it looks for the flags.
  auto getFlags = reinterpret_cast<flags::FlagsBase* (*)(void*)>(object->functions[GET_FLAGS]);
  if (getFlags(object) != flags) quit("the layout of a subcommand is not the one that this program was written for");
  const Option<string> prefix(string("MESOS_CONTAINERIZER_"));
  auto loaded = flags->load(prefix, arguments.count - 1, arguments.values + 1, false, false);
  if (loaded.isError()) quit("Failed to parse the flags: " + loaded.error());
  return reinterpret_cast<Command*>(object)->execute();
}

// --operation=make-rslave --path=PATH: later mounts of the host reach the container, none of its own reach the host.
static int makeSlave(const Arguments& arguments) {
  string operation, path;
  for (int i = 2; i < arguments.count; i++) {
    const string argument = arguments.values[i];
    if (argument.compare(0, 12, "--operation=") == 0) operation = argument.substr(12);
    if (argument.compare(0, 7, "--path=") == 0) path = argument.substr(7);
  }
  if (operation != "make-rslave" || path.empty()) quit("mount: only --operation=make-rslave --path=PATH");
  if (mount(nullptr, path.c_str(), nullptr, MS_SLAVE | MS_REC, nullptr) == 0) return EXIT_SUCCESS;
  perror("mount");
  return EXIT_FAILURE;
}

int containerizer(const Arguments& arguments) {
  const string command = arguments.count > 1 ? arguments.values[1] : "";
  if (command == "launch") return subcommand<MesosContainerizerLaunch>(_ZTVN5mesos8internal5slave24MesosContainerizerLaunchE, arguments);
  if (command == "network-cni-setup")
    return subcommand<NetworkCniIsolatorSetup>(_ZTVN5mesos8internal5slave23NetworkCniIsolatorSetupE, arguments);
  if (command == "mount") return makeSlave(arguments);
  quit("usage: mesos-containerizer launch|mount|network-cni-setup [FLAGS]");
}
