#include "authorization.h"

#include "library.h"

static string field(char tag, const string& content) {
  string length;
  size_t rest = content.size();
  for (; rest > 127; rest >>= 7) length += static_cast<char>((rest & 127) | 128);
  return string(1, tag) + length + static_cast<char>(rest) + content;
}

// ACLs in JSON with one that comes before all others of its kind: the first that matches decides. A string with a colon behind it is
// a name in JSON, and no ACL has parts of the name.
static string closing(const string& acls, const string& endpoint) {
  const string kind = "\"get_endpoints\"", space = " \t\r\n";
  const string rule = R"({"principals":{"type":"NONE"},"paths":{"values":[")" + endpoint + R"("]}})";
  for (size_t at = acls.find(kind); at != string::npos; at = acls.find(kind, at + 1)) {
    const size_t colon = acls.find_first_not_of(space, at + kind.size());
    const size_t list = colon == string::npos ? colon : acls.find_first_not_of(space, colon + 1);
    if (list == string::npos || acls[colon] != ':' || acls[list] != '[') continue;
    const size_t first = acls.find_first_not_of(space, list + 1);
    const bool empty = first == string::npos || acls[first] == ']';
    return acls.substr(0, list + 1) + rule + (empty ? "" : ",") + acls.substr(list + 1);
  }
  const size_t start = acls.find('{');
  if (start == string::npos) return acls;
  const size_t first = acls.find_first_not_of(space, start + 1);
  const bool empty = first == string::npos || acls[first] == '}';
  return acls.substr(0, start + 1) + kind + ":[" + rule + "]" + (empty ? "" : ",") + acls.substr(start + 1);
}

Option<mesos::Authorizer*> authorizer(const Settings& settings, const string& closedEndpoint) {
  auto given = settings.contentsAsGiven("acls");
  if (!given.isSome() && closedEndpoint.empty()) return Option<mesos::Authorizer*>();
  string acls = given.isSome() ? given.get() : "{}";
  if (!closedEndpoint.empty()) acls = closing(acls, closedEndpoint);
  // The wire form of a message Parameters with one parameter: key (field 1) `acls`, value (field 2) the JSON.
  auto* parameters = make<mesos::Parameters>();
  const string wire = field(10, field(10, "acls") + field(18, acls));
  if (!reinterpret_cast<google::protobuf::MessageLite*>(parameters)->ParseFromString(wire)) quit("--acls can't be parsed");
  return Option<mesos::Authorizer*>(need(mesos::internal::LocalAuthorizer::create(*parameters), "an authorizer"));
}
