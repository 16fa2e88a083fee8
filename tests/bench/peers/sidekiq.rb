# Sidekiq at a concurrency of 10, the fastest of 5, 10, 25 and 50; in the same two roles and words as the other contestants (../README.md).
# `sidekiq.rb URL work` becomes Sidekiq's own program, which loads this file again.

require "sidekiq"

# Its Redis client warns of this at every push.
Redis.sadd_returns_boolean = false

BATCH = 1000
TICK = 0.005
CONCURRENCY = 10

def nanoseconds = Process.clock_gettime(Process::CLOCK_REALTIME, :nanosecond)

def say(line) = $stdout.syswrite("#{line}\n")

class Nothing
  include Sidekiq::Worker
  sidekiq_options retry: false

  @done = 0
  @lock = Mutex.new
  class << self
    attr_reader :done

    def count = @lock.synchronize { @done += 1 }
  end

  def perform(_lane, _record, sent)
    say "late #{nanoseconds - sent}" if sent.positive?
    self.class.count
  end
end

def tell
  told = 0
  loop do
    sleep TICK
    done = Nothing.done
    next if done == told

    told = done
    say "done #{done}"
  end
end

def push(how, first, jobs, lanes, seconds)
  size = how == "batch" ? BATCH : 1
  began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  elapsed = -> { Process.clock_gettime(Process::CLOCK_MONOTONIC) - began }
  following = first
  while following < first + jobs && elapsed.call < seconds
    sent = 0
    if how == "idle"
      sleep 0.010
      sent = nanoseconds
    end
    last = [following + size, first + jobs].min
    work = (following...last).map { |n| ["location-#{n % lanes}", "record-#{n}", sent] }
    size == 1 ? Nothing.perform_async(*work.first) : Sidekiq::Client.push_bulk("class" => Nothing, "args" => work)
    following = last
  end
  say "pushed #{following - first} #{elapsed.call}"
end

if defined?(Sidekiq::CLI)
  # Loaded by Sidekiq's program.
  Thread.new { tell }
else
  url, verb, how, *numbers = ARGV
  ENV["REDIS_URL"] = url
  if verb == "work"
    exec "sidekiq", "--require", File.expand_path(__FILE__), "--concurrency", CONCURRENCY.to_s, out: $stdout, err: File::NULL
  else
    Sidekiq.configure_client { |config| config.redis = { url: url } }
    push(how, *numbers[0..2].map(&:to_i), numbers[3].to_f)
  end
end
