package Sessions;

# How does a program in Perl hold many sessions when it is compiled only once?
#
#     perl -MSessions=N,PARALLEL,MODULE,... PROGRAM ARGUMENT...
#
# Perl takes several times as long to compile swaks as swaks takes to send a message. This module is loaded before the
# program. Its INIT block runs when all of the program is compiled and nothing of it has been run; it forks there, N times,
# at most PARALLEL children at a time. A child leaves the block and is from there on the program as it is installed, with
# its arguments as they were given. The parent never runs the program: it waits, says on standard error which children
# failed, and exits with status 1 when one did.
#
# The MODULEs are those that the program loads while it runs; loaded here they are compiled once as well. None of them may
# draw random numbers or open a file while it is loaded: the children would share it.

use strict;
use warnings;

my ($sessions, $parallel, @modules);
my ($running, $failed) = (0, 0);

sub import {
    (undef, $sessions, $parallel, @modules) = @_;
    return;
}

sub _one_ends {
    my $child = wait;
    die "Sessions: no child to wait for: $!\n" if $child < 0;
    $running--;
    if ($?) {
        $failed++;
        warn "Sessions: process $child ended with status ", $? >> 8, ", signal ", $? & 127, "\n";
    }
    return;
}

INIT {
    for my $module (@modules) {
        eval "require $module; 1" or warn "Sessions: $@";
    }
    my $child = 1;
    for my $number (1 .. $sessions) {
        _one_ends() if $running == $parallel;
        $child = fork;
        die "Sessions: cannot fork: $!\n" unless defined $child;
        last unless $child;
        $running++;
    }
    if ($child) {
        _one_ends() while $running;
        exit($failed ? 1 : 0);
    }
}

1;
