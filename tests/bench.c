#include "measure.h"
#include <stdio.h>
#include <stdlib.h>
int main(int argc,char**argv){ (void)argc;
	struct world w; static struct lease_series s; static struct series h; int rounds=argc>1?atoi(argv[1]):10;
	measure_pin();
	world_start(&w,1,10);
	struct lease_bench *b=lease_bench_start(&w);
	for(int i=0;i<rounds;i++){ lease_bench_round(b,&s); ;}
	printf("F %.2f direct %.2f\nacquire %.2f = %.2f F\nfresh %.2f %.2f\ncycle %.2f %.2f\n",series_median(&s.round_trip),series_median(&s.direct),series_median(&s.acquire),series_ratio(&s.acquire,&s.round_trip),series_median(&s.acquire_fresh),series_ratio(&s.acquire_fresh,&s.round_trip),series_median(&s.cycle),series_ratio(&s.cycle,&s.round_trip));
	lease_bench_stop(b); struct pair*pp=pair_start(&w); for(int i=0;i<rounds;i++)pair_round(pp,0,40,&h);pair_stop(pp);printf("handover %.2f = %.2f F\n",series_median(&h),series_median(&h)/series_median(&s.round_trip)); world_stop(&w);
}
