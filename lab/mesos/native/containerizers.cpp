#include "containerizers.h"

#include <algorithm>
#include <array>
#include <sstream>

#include "library.h"

using namespace mesos::internal::slave;
using mesos::slave::ContainerLogger;

namespace {
// What the library's own create() takes, beyond the flags.
struct Parts {
  Fetcher* fetcher;
  GarbageCollector* collector;
  mesos::SecretResolver* secrets;
  VolumeGidManager* gids;
};
}  // namespace

static Containerizer* official(const Flags& flags, const Parts& parts) {
#ifdef MESOS_1_10
  auto made = Containerizer::create(flags, false, parts.fetcher, parts.collector, parts.secrets, parts.gids, NO_TRACKER);
#else
  auto made = Containerizer::create(flags, false, parts.fetcher, parts.collector, parts.secrets, parts.gids, NO_TRACKER, nullptr);
#endif
  return need(made, "a containerizer");
}

// Names separated by commas.
using Names = std::vector<string>;

static Names split(const string& list) {
  Names found;
  std::istringstream rest(list);
  for (string one; std::getline(rest, one, ',');) found.push_back(one);
  return found;
}

static string join(const Names& names) {
  string list;
  for (const string& name : names) list += (list.empty() ? "" : ",") + name;
  return list;
}

// The flags once more, with other containerizers.
static const Flags& with(const Names& names, const Arguments& arguments) {
  const string last = "--containerizers=" + join(names);
  std::vector<char*> values(arguments.values, arguments.values + arguments.count);
  values.push_back(const_cast<char*>(last.c_str()));
  auto* flags = make<Flags>();
  loadAgain(flags, Arguments{static_cast<int>(values.size()), values.data()});
  return *flags;
}

// JSON::parse<JSON::Object>(): its name has a type in it that is not declared here.
Try<JSON::Object> parse(const string&)
    asm("_ZN4JSON5parseINS_6ObjectEEE3TryIT_5ErrorERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE");

// In the library's words.
[[noreturn]] static void noDocker(const string& reason) {
  quit("Failed to create a containerizer: Could not create DockerContainerizer: Failed to create docker: " + reason);
}

static Docker* docker(const Settings& settings) {
  const auto given = settings.contentsAsGiven("docker_config");
  const auto parsed = parse(given.isSome() ? given.get() : "{}");
  if (parsed.isError()) quit("Failed to parse --docker_config: " + parsed.error());
  const Option<JSON::Object> none;
  const auto& config = given.isSome() ? parsed.value() : none;
  const bool validate = false;
  static const auto made = Docker::create(settings.text("docker"), settings.text("docker_socket"), validate, config);
  if (made.isError()) noDocker(made.error());
  Docker* docker = asDocker(*static_cast<void**>(made.get().data.get()));
  const auto valid = docker->validateVersion(Version{1, 8, 0, {}, {}});
  if (valid.isError()) noDocker(valid.error());
  return docker;
}

static Containerizer* dockerContainerizer(const Settings& settings, const Flags& flags, const Parts& parts) {
  // Room for what is behind the pointer; it stays zero.
  const auto shared = std::make_shared<std::array<void*, 32>>();
  (*shared)[0] = docker(settings);
  const auto logger = std::make_shared<void*>(need(ContainerLogger::create(settings.optional("container_logger")), "container logger"));
  const process::Owned<ContainerLogger> owned{logger};
  return reinterpret_cast<Containerizer*>(
      make<DockerContainerizer>(flags, parts.fetcher, owned, process::Shared<Docker>{shared}, Option<NvidiaComponents>()));
}

Containerizer* containerizers(const Settings& settings, const Flags& flags, const Arguments& arguments, GarbageCollector* collector,
                              VolumeGidManager* gids) {
  auto* secrets = need(mesos::SecretResolver::create(settings.optional("secret_resolver")), "a secret resolver");
  const Parts parts{make<Fetcher>(flags), collector, secrets, gids};
  auto names = split(settings.text("containerizers"));
  const auto found = std::find(names.begin(), names.end(), "docker");
  // The library makes none for Docker where it finds no control groups v1, although it has no need of them.
  if (found == names.end() || !cgroups::hierarchy("cpu").isNone()) return official(flags, parts);
  names.erase(found);
  auto* first = dockerContainerizer(settings, flags, parts);
  if (names.empty()) return first;
  return need(ComposingContainerizer::create({first, official(with(names, arguments), parts)}), "a containerizer");
}
