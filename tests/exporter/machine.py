"""A made-up machine: its /proc, /sys and /etc as files in a folder, so that every number on its page is known."""

from pathlib import Path

from exporter.host.files import Paths

PROC = {
    "stat": """\
cpu  300 20 100 4000 50 0 10 5 7 3
cpu0 100 10 50 2000 25 0 5 2 7 1
cpu1 200 10 50 2000 25 0 5 3 0 2
intr 123456 9 8 7
ctxt 654321
btime 1700000000
processes 4242
procs_running 3
procs_blocked 1
softirq 99 1 2 3
""",
    "loadavg": "0.50 1.25 2.00 3/456 7890\n",
    "uptime": "86400.50 170000.00\n",
    "cpuinfo": "processor\t: 0\nmodel name\t: Imaginary 9000\n",
    "meminfo": """\
MemTotal:        8000 kB
MemFree:         1000 kB
MemAvailable:    6000 kB
Buffers:          200 kB
Cached:          3000 kB
Active(anon):     500 kB
SwapTotal:       2000 kB
SwapFree:        1500 kB
Slab:             300 kB
HugePages_Total:    4
""",
    "vmstat": """\
nr_free_pages 250
pgpgin 100
pgpgout 200
pswpin 3
pswpout 4
pgfault 5000
pgmajfault 60
pgmigrate_success 1
oom_kill 2
""",
    "diskstats": """\
   8       0 sda 1000 10 20000 3000 500 50 40000 2500 2 4404 9000 7 1 800 150 33 44
   8       1 sda1 900 0 100 10 0 0 0 0 0 10 10
   7       0 loop0 1 0 1 1 0 0 0 0 0 1 1
 259       0 nvme0n1 1 2 3 4 5 6 7 8 9 10 11
""",
    "sys/fs/file-nr": "1024\t0\t65536\n",
    "sys/kernel/random/entropy_avail": "256\n",
    "sys/kernel/random/poolsize": "256\n",
    "sys/kernel/pid_max": "32768\n",
    "sys/kernel/threads-max": "60000\n",
    "sys/kernel/hung_task_detect_count": "1\n",
    "sys/kernel/domainname": "example\n",
    "sys/net/netfilter/nf_conntrack_count": "120\n",
    "sys/net/netfilter/nf_conntrack_max": "65536\n",
    "net/stat/nf_conntrack": """\
entries  found invalid ignore insert insert_failed drop early_drop search_restart
00000078 0000000a 00000001 00000002 00000003 00000000 00000004 00000000 00000005
00000078 0000000b 00000001 00000000 00000000 00000000 00000000 00000000 00000001
""",
    "net/dev": """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     500       5    0    0    0     0          0         0      500       5    0    0    0     0       0          0
  eth0: 1000000    2000    1    2    3     4          5         6  3000000    4000    7    8    9    10      11         12
""",
    "net/netstat": """\
TcpExt: SyncookiesSent ListenOverflows ListenDrops TCPTimeouts TCPSynRetrans TW
TcpExt: 1 2 3 4 5 6
IpExt: InOctets OutOctets InNoECTPkts
IpExt: 1000 2000 3
""",
    "net/snmp": """\
Ip: Forwarding DefaultTTL
Ip: 1 64
Tcp: MaxConn ActiveOpens PassiveOpens CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts
Tcp: -1 10 20 5 1000 900 30 1 2
Udp: InDatagrams NoPorts InErrors OutDatagrams
Udp: 11 12 13 14
""",
    "net/snmp6": "Ip6InOctets 128\nUdpLite6InErrors 1\nIcmp6InType128 9\n",
    "net/sockstat": "sockets: used 40\nTCP: inuse 5 orphan 0 tw 1 alloc 6 mem 0\nFRAG: inuse 0 memory 0\n",
    "net/sockstat6": "TCP6: inuse 2\n",
    "net/softnet_stat": """\
0000000a 00000001 00000002 00000000 00000000 00000000 00000000 00000000 00000000 00000003 00000004 00000000 00000000
0000000b 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000001
""",
    "net/arp": """\
IP address       HW type     Flags       HW address            Mask     Device
192.0.2.1        0x1         0x2         02:00:00:00:00:01     *        eth0
192.0.2.9        0x1         0x0         00:00:00:00:00:00     *        eth0
""",
    "net/udp": """\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
    1: 0100007F:0035 00000000:0000 07 00000010:00000020 00:00000000 00000000     0        0 11
""",
    "net/tcp": """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711
   1: 0100007F:1F90 0100007F:C001 01 00000001:00000002 00:00000000 00000000     0        0 4712
""",
    "pressure/cpu": "some avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
    "pressure/io": "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=500000\n",
    "pressure/memory": "some avg10=0 avg60=0 avg300=0 total=10\nfull avg10=0 avg60=0 avg300=0 total=5\n",
    "pressure/irq": "full avg10=0.00 avg60=0.00 avg300=0.00 total=3000000\n",
    "schedstat": "version 15\ntimestamp 1\ncpu0 0 0 0 0 0 0 2000000000 1000000000 77\ndomain0 3 0 0\n",
    "interrupts": """\
           CPU0       CPU1
  1:         10         20   IO-APIC   1-edge      keyboard
NMI:          0          3   Non-maskable interrupts
ERR:          0
""",
    "mdstat": """\
Personalities : [raid1]
md0 : active raid1 sdb1[1] sda1[0]
      1000 blocks super 1.2 [2/2] [UU]

md1 : active raid1 sdd1[1](F) sdc1[0]
      2000 blocks super 1.2 [2/1] [U_]
      [=>...................]  recovery =  5.0% (100/2000) finish=1.0min speed=10K/sec

unused devices: <none>
""",
    "1/mounts": """\
/dev/sda1 / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
/dev/sdb1 /data\\040disk xfs ro,noatime 0 0
tmpfs /run tmpfs rw 0 0
overlay /var/lib/docker/overlay2/x/merged overlay rw 0 0
""",
    "1/stat": "1 (init) S 0 1 1 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 1 0 5 1000000 256 0 0 0 0\n",
    "42/stat": "42 (odd) name)) R 1 42 42 0 -1 4194560 100 0 0 0 1000 500 0 0 20 0 7 0 360000 1000000 512 0 0 0 0\n",
}

SYS = {
    "class/net/bonding_masters": "bond0\n",
    "class/net/bond0/bonding/slaves": "eth0 eth1\n",
    "class/net/bond0/operstate": "up\n",
    "class/net/bond0/lower_eth0/bonding_slave/mii_status": "up\n",
    "class/net/bond0/lower_eth1/bonding_slave/mii_status": "down\n",
    "class/net/eth0/operstate": "up\n",
    "class/net/eth0/address": "02:00:00:00:00:01\n",
    "class/net/eth0/broadcast": "ff:ff:ff:ff:ff:ff\n",
    "class/net/eth0/duplex": "full\n",
    "class/net/eth0/ifalias": "\n",
    "class/net/eth0/flags": "0x1003\n",
    "class/net/eth0/mtu": "1500\n",
    "class/net/eth0/carrier": "1\n",
    "class/net/eth0/carrier_changes": "2\n",
    "class/net/eth0/speed": "10000\n",
    "class/net/eth0/statistics/rx_nohandler": "13\n",
    "class/hwmon/hwmon0/name": "coretemp\n",
    "class/hwmon/hwmon0/temp1_input": "45500\n",
    "class/hwmon/hwmon0/temp1_max": "80000\n",
    "class/hwmon/hwmon0/temp1_crit_alarm": "0\n",
    "class/hwmon/hwmon0/temp1_label": "Package id 0\n",
    "class/hwmon/hwmon0/fan1_input": "1200\n",
    "class/hwmon/hwmon0/in1_input": "1050\n",
    "class/hwmon/hwmon0/power1_average": "65000000\n",
    "class/thermal/thermal_zone0/type": "acpitz\n",
    "class/thermal/thermal_zone0/temp": "27800\n",
    "class/thermal/cooling_device0/type": "Processor\n",
    "class/thermal/cooling_device0/cur_state": "0\n",
    "class/thermal/cooling_device0/max_state": "10\n",
    "class/power_supply/AC/online": "1\n",
    "class/power_supply/BAT0/capacity": "87\n",
    "devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "2400000\n",
    "devices/system/cpu/cpu0/cpufreq/scaling_max_freq": "3600000\n",
    "devices/system/clocksource/clocksource0/available_clocksource": "tsc hpet\n",
    "devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
}

ROOT = {
    "etc/os-release": 'NAME="Imaginary Linux"\nID=imaginary\nVERSION_ID="7.2"\nPRETTY_NAME="Imaginary Linux 7.2 (\\"quoted\\")"\n',
    "data disk/file": "",
    "udev/b8:0": "E:ID_MODEL=SPINNER\nE:ID_SERIAL_SHORT=S1\n",
    "text/job.prom": '# TYPE backup_seconds gauge\nbackup_seconds{job="nightly"} 12.5\n',
}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def build(folder: Path) -> Paths:
    """Write the machine below `folder`."""
    write(folder / "proc", PROC)
    write(folder / "sys", SYS)
    write(folder, ROOT)
    return Paths(str(folder / "proc"), str(folder / "sys"), str(folder), str(folder / "udev"))
