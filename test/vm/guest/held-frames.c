// Frames that stay where the device has put them until somebody asks for them: then each of them is compared with what its number says.
// Nobody but the device writes to their pages, and nobody looks at them before. Arguments: interface. Frames have an Ethernet type of
// their own; one of the type behind it asks, and the answer is a line.
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { data_type = 0x88b5, question_type = 0x88b6, number_at = 14, content_at = 18, most_bytes = 65536 };

static int open_socket(unsigned type, unsigned interface, int room) {
  struct sockaddr_ll address = {
      .sll_family = AF_PACKET, .sll_protocol = htons(type), .sll_ifindex = (int)interface};
  int fd = socket(AF_PACKET, SOCK_RAW, 0);
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0 ||
      bind(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    perror("held-frames");
    _exit(1);
  }
  return fd;
}

static uint32_t number_of(const uint8_t *frame) {
  uint32_t number;
  memcpy(&number, frame + number_at, sizeof number);
  return ntohl(number);
}

// As frameOf in migration/held-frames.ts: no two frames, and no two words of a frame, have the same in the same place.
static int is_right(const uint8_t *frame, ssize_t bytes) {
  const uint32_t mixed = number_of(frame) * 0x9e3779b1u;
  for (ssize_t i = content_at; i < bytes; i++) {
    const uint32_t wanted = (mixed >> 8 * (i & 3)) + (uint32_t)i * 7 + ((uint32_t)i >> 8);
    if (frame[i] != (uint8_t)wanted) return 0;
  }
  return 1;
}

int main(int count, char **arguments) {
  static uint8_t frame[most_bytes];
  const unsigned interface = count > 1 ? if_nametoindex(arguments[1]) : 0;
  const int data = open_socket(data_type, interface, 16 << 20);
  const int questions = open_socket(question_type, interface, 1 << 16);
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (uint32_t answered = 0;;) {
    const ssize_t asked = recv(questions, frame, sizeof frame, 0);
    if (asked < content_at || number_of(frame) <= answered) continue;
    answered = number_of(frame);
    unsigned right = 0, wrong = 0;
    for (ssize_t bytes; (bytes = recv(data, frame, sizeof frame, MSG_DONTWAIT)) > 0;) {
      if (bytes > content_at && is_right(frame, bytes)) right++;
      else wrong++;
    }
    printf("frames: asked %u, right %u, wrong %u\n", answered, right, wrong);
  }
}
