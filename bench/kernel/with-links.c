// Runs a program with links that Node cannot open: with-links PROGRAM ARGS... becomes PROGRAM ARGS... 10 11 12 13, whose last
// arguments are descriptors of two taps on a bridge, and of packet sockets on the two ends of a veth. All of it is in a network
// namespace of its own, and ends with the program.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { first = 10 };

static int check(int result, const char *what) {
  if (result >= 0) return result;
  perror(what);
  exit(1);
}

static void run(const char *command) {
  if (system(command) == 0) return;
  fprintf(stderr, "failed: %s\n", command);
  exit(1);
}

// The descriptor that the program gets, which waits for nobody and survives exec.
static void hand_down(int fd, int as) {
  check(dup2(fd, as), "dup2");
  check(close(fd), "close");
  check(fcntl(as, F_SETFL, O_RDWR | O_NONBLOCK), "fcntl");
}

static int tap(const char *name) {
  int fd = check(open("/dev/net/tun", O_RDWR | O_CLOEXEC), "/dev/net/tun");
  struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
  strcpy(request.ifr_name, name);
  check(ioctl(fd, TUNSETIFF, &request), "TUNSETIFF");
  return fd;
}

static int packet_socket(const char *name) {
  int fd = check(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)), "AF_PACKET");
  int one = 1;
  check(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one), "PACKET_IGNORE_OUTGOING");
  struct sockaddr_ll address = {
      .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(name)};
  check(bind(fd, (struct sockaddr *)&address, sizeof address), "bind");
  return fd;
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  check(unshare(CLONE_NEWNET), "a network namespace");
  // No router is looked for, no group is joined: nothing but what the program sends is on the links.
  run("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6 2>&- || true");
  run("ip link set lo up");
  hand_down(tap("tap0"), first);
  hand_down(tap("tap1"), first + 1);
  run("ip link add bridge0 type bridge mcast_snooping 0 && ip link set bridge0 up");
  run("for t in tap0 tap1; do ip link set $t master bridge0 up; done");
  run("ip link add veth0 type veth peer name veth1 && ip link set veth0 up && ip link set veth1 up");
  hand_down(packet_socket("veth0"), first + 2);
  hand_down(packet_socket("veth1"), first + 3);

  char *words[64];
  if (argc + 4 > 64) return 2;
  int n = 0;
  for (int i = 1; i < argc; i++) words[n++] = argv[i];
  char numbers[4][12];
  for (int i = 0; i < 4; i++) {
    snprintf(numbers[i], sizeof numbers[i], "%d", first + i);
    words[n++] = numbers[i];
  }
  words[n] = NULL;
  execvp(words[0], words);
  perror(words[0]);
  return 127;
}
