// The flags of a program, loaded by the library's own parser: names, defaults and errors are Mesos'.
#pragma once

#include <initializer_list>

#include "layouts.h"

struct Arguments {
  int count;
  char** values;
};

class Settings {
public:
  Settings(const Arguments& given, const std::map<string, string>& loaded) : given(given), loaded(loaded) {}
  bool has(const char* flag) const { return loaded.count(upper(flag)) > 0; }
  bool on(const char* flag) const { return text(flag) == "true"; }
  // Empty when it is not set.
  string text(const char* flag) const;
  Option<string> optional(const char* flag) const;
  // The text, or what is in the file that it names as file:///path or /path, without the white space at its end.
  Option<string> contents(const char* flag) const;
  // The same of what the user wrote: the library prints some flags in another form than the one that it reads.
  Option<string> contentsAsGiven(const char* flag) const;
  Duration duration(const char* flag) const;

private:
  static string upper(string flag);
  Arguments given;
  std::map<string, string> loaded;
};

// All of a file. Ends the program when it can't be read.
string readFile(const string& path);

// Fills an object of the library's flags and starts logging. Answers --help and --version; ends the program on errors, and on each
// flag among `refused` that is set.
Settings load(void* flags, const Arguments& arguments, std::initializer_list<const char*> refused);

// Fills another object of the same flags; of one that is given twice the last counts.
void loadAgain(void* flags, const Arguments& arguments);

// Ends the program unless a flag has one of these values.
void allow(const Settings& settings, const char* flag, std::initializer_list<const char*> values);
