# Stands in for Vagrant: prints every setting that the Vagrantfile in ARGV[0] makes, as a JSON list of where, what and values.
require "json"

class Settings < BasicObject
  def initialize(where)
    @where = where
  end

  def method_missing(name, *values, **named, &block)
    values << named unless named.empty?
    ::STDOUT.puts ::JSON.generate([@where, name, values]) unless values.empty?
    inside = ::Settings.new("#{@where}.#{[:define, :provider].include?(name) ? values[0] : name}")
    block.call(inside) if block
    inside
  end
end

module Vagrant
  def self.configure(version)
    raise "not the version that Vagrant 2 has" unless version == "2"
    yield Settings.new("config")
  end
end

load ARGV[0]
