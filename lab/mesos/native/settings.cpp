#include "settings.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>

#include "library.h"

static const Option<string> PREFIX(string("MESOS_"));

string Settings::upper(string flag) {
  std::transform(flag.begin(), flag.end(), flag.begin(), ::toupper);
  return flag;
}

string Settings::text(const char* flag) const {
  auto found = loaded.find(upper(flag));
  return found == loaded.end() ? "" : found->second;
}

Option<string> Settings::optional(const char* flag) const { return has(flag) ? Option<string>(text(flag)) : Option<string>(); }

string readFile(const string& path) {
  std::ifstream file(path);
  string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file) quit("Failed to read " + path + ": " + strerror(errno));
  return text;
}

static string contentsOf(const string& value) {
  const bool url = value.compare(0, 7, "file://") == 0;
  if (!url && value[0] != '/') return value;
  const string text = readFile(url ? value.substr(7) : value);
  return text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
}

Option<string> Settings::contents(const char* flag) const {
  return has(flag) ? Option<string>(contentsOf(text(flag))) : Option<string>();
}

Option<string> Settings::contentsAsGiven(const char* flag) const {
  const string option = string("--") + flag + "=";
  for (int i = 1; i < given.count; i++)
    if (option.compare(0, string::npos, given.values[i], option.size()) == 0) return contentsOf(given.values[i] + option.size());
  const char* variable = getenv(("MESOS_" + upper(flag)).c_str());
  return variable ? Option<string>(contentsOf(variable)) : Option<string>();
}

Duration Settings::duration(const char* flag) const { return need(Duration::parse(text(flag)), string("--") + flag); }

static void answer(const string& text) {
  std::cout << text << std::endl;
  _exit(EXIT_SUCCESS);
}

static void startLogging(const Arguments& arguments) {
  // All flags inherit those of logging, at a place that only the library knows: they are loaded once more, by themselves.
  static Option<mesos::internal::logging::Flags> logging{InPlace()};
  void* flags = const_cast<mesos::internal::logging::Flags*>(&logging.get());
  const bool unknowns = true;
  auto loaded = asFlags(flags)->load(PREFIX, arguments.count, arguments.values, unknowns, false);
  if (loaded.isError()) quit(loaded.error());
  mesos::internal::logging::initialize(arguments.values[0], true, logging);
}

static void refuseTls() {
  for (const char* name : {"LIBPROCESS_SSL_ENABLED", "SSL_ENABLED"}) {
    const char* value = getenv(name);
    const string text = value ? value : "";
    if (text == "1" || text == "true") quit(string(name) + " is not supported by this build of Mesos: see lab/mesos/README.md");
  }
}

// What libprocess reads from its environment only, Mesos' programs take as flags, too.
static void passToLibprocess(const Settings& settings) {
  for (const char* flag : {"ip", "port", "advertise_ip", "advertise_port", "ip6", "memory_profiling"}) {
    string name = string("LIBPROCESS_") + flag;
    std::transform(name.begin(), name.end(), name.begin(), ::toupper);
    if (settings.has(flag)) setenv(name.c_str(), settings.text(flag).c_str(), 1);
  }
}

Settings load(void* object, const Arguments& arguments, std::initializer_list<const char*> refused) {
  flags::FlagsBase* flags = asFlags(object);
  auto loaded = flags->load(PREFIX, arguments.count, arguments.values, false, false);
  const Settings settings(arguments, flags->buildEnvironment(Option<string>()));
  if (settings.on("help")) answer(flags->usage(Option<string>()));
  if (settings.on("version")) answer("mesos " + mesos::internal::build::GIT_TAG.get());
  if (loaded.isError()) {
    std::cerr << flags->usage(loaded.error()) << std::endl;
    _exit(EXIT_FAILURE);
  }
  for (const char* flag : refused)
    if (settings.has(flag)) quit(string("--") + flag + " is not supported by this build of Mesos: see lab/mesos/README.md");
  refuseTls();
  startLogging(arguments);
  for (const auto& warning : loaded.get().list) std::cerr << "WARNING: " << warning.message << std::endl;
  passToLibprocess(settings);
  return settings;
}

void loadAgain(void* flags, const Arguments& arguments) {
  const bool duplicates = true;
  auto loaded = asFlags(flags)->load(PREFIX, arguments.count, arguments.values, false, duplicates);
  if (loaded.isError()) quit(loaded.error());
}

void allow(const Settings& settings, const char* flag, std::initializer_list<const char*> values) {
  for (const char* value : values)
    if (settings.text(flag) == value) return;
  quit(string("--") + flag + "=" + settings.text(flag) + " is not supported by this build of Mesos, only " + *values.begin());
}
